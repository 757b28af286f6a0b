// Clusters of unit vectors, and how many there should be (docs/algorithms.md, 'Segments and
// clusters'); k-means itself is in the backend.
import type { Backend } from '../backend/backend.ts';
import type { ClusterOptions, Clusters } from '../backend/clusters.ts';

export type { ClusterOptions, Clusters } from '../backend/clusters.ts';
import { cosine } from './embed.ts';

/**
 * Clusters unit vectors. `count` is capped at the number of distinct vectors. Same seed, same
 * clusters.
 */
export function cluster(
  vectors: readonly Float32Array[],
  options: ClusterOptions,
  backend: Backend,
): Clusters {
  const n = vectors.length;
  if (n === 0) return { labels: [], centroids: [], inertia: 0 };
  const count = Math.max(1, Math.min(options.count, distinct(vectors)));
  return backend.kmeans(vectors, { ...options, count });
}

/** Least segments to an episode, on average. */
const LEAST_MEMBERS = 4;
/**
 * Nearest neighbours that should share a cluster; and most segments whose neighbours are looked at.
 */
const NEIGHBOURS = 4;
const MOST_PROBES = 256;
/**
 * Share of the best agreement that is enough: more episodes serve better as long as questions still
 * find theirs.
 */
const ENOUGH = 0.9;

/**
 * Clusters into as many as the vectors allow, up to `most`: the largest number whose clusters leave
 * the four nearest neighbours of a vector together nearly as often, beyond chance, as the best
 * number does. (The silhouette of sparse text grows with nearly every division; this falls where
 * topics are divided, and it is what a question needs to find its episode: docs/log.md.)
 */
export function clusterAuto(
  vectors: readonly Float32Array[],
  options: Omit<ClusterOptions, 'count'> & { readonly most: number },
  backend: Backend,
): Clusters {
  const most = Math.min(options.most, Math.floor(vectors.length / LEAST_MEMBERS));
  const whole = cluster(vectors, { ...options, count: 1 }, backend);
  const near = neighboursOf(vectors);
  const tried: { clusters: Clusters; agreement: number }[] = [];
  for (let count = 2; count <= most; count++) {
    const clusters = cluster(vectors, { ...options, count }, backend);
    tried.push({ clusters, agreement: agreementOf(clusters, near) });
  }
  const enough = ENOUGH * Math.max(0, ...tried.map((t) => t.agreement));
  return tried.findLast((t) => t.agreement > 0 && t.agreement >= enough)?.clusters ?? whole;
}

/** The nearest vectors of some, evenly spaced. */
function neighboursOf(vectors: readonly Float32Array[]): Map<number, number[]> {
  const step = Math.max(1, Math.ceil(vectors.length / MOST_PROBES));
  const near = new Map<number, number[]>();
  for (let i = 0; i < vectors.length; i += step) {
    const alike = vectors.map((v) => cosine(v, vectors[i]));
    const others = [...alike.keys()].filter((j) => j !== i);
    near.set(i, others.sort((a, b) => alike[b] - alike[a] || a - b).slice(0, NEIGHBOURS));
  }
  return near;
}

/** How often neighbours share a cluster, 0 as often as chance, 1 always. */
function agreementOf(
  { labels, centroids }: Clusters,
  near: ReadonlyMap<number, readonly number[]>,
): number {
  let [together, all] = [0, 0];
  for (const [i, others] of near) {
    all += others.length;
    together += others.filter((j) => labels[j] === labels[i]).length;
  }
  const chance = centroids.reduce(
    (sum, _, e) => sum + (labels.filter((l) => l === e).length / labels.length) ** 2,
    0,
  );
  return chance < 1 ? (together / all - chance) / (1 - chance) : 0;
}

function distinct(vectors: readonly Float32Array[]): number {
  return new Set(vectors.map((v) => v.join())).size;
}
