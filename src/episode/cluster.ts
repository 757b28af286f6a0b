// k-means on unit vectors (algorithms, section 3.1): k-means++ seeding, restarts, the best inertia;
// the arithmetic is the backend's.
import type { Backend, KnownDistances } from '../backend/backend.ts';
import { cosine } from './embed.ts';
import { createRandom } from '../math/rng.ts';

export interface Clusters {
  /** Cluster of each vector, 0 .. centroids.length - 1, every one used. */
  readonly labels: readonly number[];
  /** Means of the members, not normalised. */
  readonly centroids: readonly Float32Array[];
  /** Sum of squared distances to the own centroid. */
  readonly inertia: number;
}

export interface ClusterOptions {
  readonly count: number;
  readonly restarts: number;
  readonly seed: number;
}

/** Lloyd's steps before a restart is taken as it is; it settles after some ten. */
const MAX_STEPS = 100;

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
  const d = vectors[0].length;
  const E = Math.max(1, Math.min(options.count, distinct(vectors)));
  const random = createRandom(options.seed);
  const sizes = {
    x: n * d,
    centroids: E * d,
    sums: E * d,
    labels: n,
    distances: n,
    counts: E,
    bounds: n,
    moved: E,
  };
  // one region, so that memory that ends leaves nothing reserved
  const line = (count: number) => Math.ceil((count * 4) / 64) * 64;
  const region = backend.arena.allocate(
    Object.values(sizes).reduce((sum, count) => sum + line(count), 0),
  );
  let end = region;
  const at = Object.fromEntries(
    Object.entries(sizes).map(([name, count]) => {
      const address = end;
      end += line(count);
      return [name, address];
    }),
  ) as Record<keyof typeof sizes, number>;
  let release = () => {};
  const x = { address: at.x, columns: d };
  const centroids = { address: at.centroids, columns: d };
  const sums = { address: at.sums, columns: d };
  const setCentroid = (e: number, vector: Float32Array) =>
    backend.floats(at.centroids + e * d * 4, d).set(vector);
  try {
    release = backend.reserveScratch({
      tokens: 1,
      queryHeads: 1,
      kvHeads: 1,
      headDim: 1,
      width: d,
      clusters: E,
    });
    const all = backend.floats(at.x, n * d);
    vectors.forEach((v, i) => all.set(v, i * d));
    let best: Clusters | undefined;
    for (let restart = 0; restart < options.restarts; restart++) {
      // k-means++: the next seed is drawn in proportion to the squared distance from the seeds
      // before
      setCentroid(0, vectors[Math.floor(random() * n)]);
      for (let e = 1; e < E; e++) {
        // only the newest seed can have come nearer
        const newest = { address: at.centroids + (e - 1) * d * 4, columns: d };
        backend.kmeansAssign(at.labels, at.bounds, x, newest, n, 1);
        const [nearest, far] = [backend.floats(at.distances, n), backend.floats(at.bounds, n)];
        for (let i = 0; i < n; i++) if (e === 1 || far[i] < nearest[i]) nearest[i] = far[i];
        setCentroid(e, vectors[draw(nearest, random)]);
      }
      let before: Int32Array | undefined;
      let known: KnownDistances = { bounds: at.bounds };
      for (let step = 0; step < MAX_STEPS; step++) {
        backend.kmeansAssign(at.labels, at.distances, x, centroids, n, E, known);
        const reseeded = reseedEmpty(
          backend.ints(at.labels, n),
          backend.floats(at.distances, n),
          E,
        );
        const labels = backend.ints(at.labels, n);
        if (before && labels.every((e, i) => e === before![i])) break;
        before = labels.slice();
        backend.kmeansSum(sums, at.counts, x, at.labels, n, E);
        moveCentroids(
          backend.floats(at.centroids, E * d),
          backend.floats(at.sums, E * d),
          backend.ints(at.counts, E),
          backend.floats(at.moved, E),
        );
        known = { bounds: at.bounds, moved: reseeded ? undefined : at.moved };
      }
      const labels = [...backend.ints(at.labels, n)];
      const means = Array.from({ length: E }, (_, e) =>
        backend.floats(at.centroids + e * d * 4, d).slice(),
      );
      const inertia = labels.reduce((sum, e, i) => sum + squaredDistance(vectors[i], means[e]), 0);
      if (!best || inertia < best.inertia) best = { labels, centroids: means, inertia };
    }
    return best!;
  } finally {
    backend.arena.free(region);
    release();
  }
}

/** Makes centroids [E, d] the means of their members, and tells how far each has moved. */
export function moveCentroids(
  centroids: Float32Array,
  sums: Float32Array,
  counts: Int32Array,
  moved: Float32Array,
): void {
  const d = centroids.length / counts.length;
  counts.forEach((count, e) => {
    let squared = 0;
    for (let i = e * d; i < (e + 1) * d; i++) {
      const mean = Math.fround(sums[i] / count);
      squared += (mean - centroids[i]) ** 2;
      centroids[i] = mean;
    }
    moved[e] = Math.sqrt(squared);
  });
}

/** Fewer segments than this to an episode make none. */
const LEAST_MEMBERS = 4;
/** Neighbours that should stay together, and segments that are asked about theirs. */
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

/**
 * A cluster without members takes the point that lies farthest from its centroid (of a cluster that
 * has others).
 */
function reseedEmpty(labels: Int32Array, distances: Float32Array, E: number): boolean {
  let any = false;
  const members = new Array<number>(E).fill(0);
  for (const e of labels) members[e]++;
  for (let e = 0; e < E; e++) {
    if (members[e] > 0) continue;
    let farthest = -1;
    for (let i = 0; i < labels.length; i++) {
      if (members[labels[i]] > 1 && (farthest < 0 || distances[i] > distances[farthest]))
        farthest = i;
    }
    members[labels[farthest]]--;
    labels[farthest] = e;
    distances[farthest] = 0;
    members[e] = 1;
    any = true;
  }
  return any;
}

/** An index drawn in proportion to its weight; the last with any where rounding overshoots. */
function draw(weights: Float32Array, random: () => number): number {
  let left = random() * weights.reduce((a, b) => a + b, 0);
  let last = 0;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] <= 0) continue;
    last = i;
    left -= weights[i];
    if (left < 0) return i;
  }
  return last;
}

function distinct(vectors: readonly Float32Array[]): number {
  return new Set(vectors.map((v) => v.join())).size;
}

function squaredDistance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return sum;
}
