// The text that stands for an episode: its most typical segments, in the order they were said
// (docs/algorithms.md, 'Medoids').
import type { Clusters } from './cluster.ts';
import { cosine } from './embed.ts';
import type { Segment } from './segment.ts';

/**
 * Segments of cluster e, the most typical first: by cosine to the centroid, the earlier on ties.
 */
export function typicalSegments(
  e: number,
  vectors: readonly Float32Array[],
  clusters: Clusters,
): number[] {
  const members = clusters.labels.flatMap((label, i) => (label === e ? [i] : []));
  const similarity = new Map(members.map((i) => [i, cosine(vectors[i], clusters.centroids[e])]));
  return members.sort((a, b) => similarity.get(b)! - similarity.get(a)! || a - b);
}

/** Segments' texts in chronological order, each on lines of its own. */
export function medoidText(chosen: readonly number[], segments: readonly Segment[]): string {
  return [...chosen]
    .sort((a, b) => a - b)
    .map((i) => segments[i].text)
    .map((text) => (text.endsWith('\n') ? text : `${text}\n`))
    .join('');
}
