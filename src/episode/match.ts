// Which episode a question is about, and which segments (docs/algorithms.md, 'Matching').
import type { Clusters } from './cluster.ts';
import { cosine, type Embedder } from './embed.ts';

/** A question as an embedder sees it. */
export interface Asked {
  readonly text: string;
  /** Only looked at where the embedder has no likeness of its own; may be empty where it has. */
  readonly vector: Float32Array;
}

export interface Match {
  readonly episode: number;
  readonly likeness: number;
}

/**
 * Episodes, best first, the lower on ties. Where the embedder tells how much each segment has to
 * say, segments vote for their episode with the fourth power of that, so that the few that answer
 * decide; else by cos(question, centroid), as the paper does.
 */
export function matchEpisodes(
  question: Asked,
  { labels, centroids }: Pick<Clusters, 'labels' | 'centroids'>,
  embedder: Embedder,
): Match[] {
  const likeness = embedder.likeness?.(question.text);
  let of: number[];
  if (likeness) {
    of = new Array<number>(centroids.length).fill(0);
    labels.forEach((e, i) => {
      of[e] += Math.max(0, likeness[i]) ** 4;
    });
  } else of = centroids.map((c) => cosine(question.vector, c) / (Math.sqrt(cosine(c, c)) || 1));
  return descending(of).map((episode) => ({ episode, likeness: of[episode] }));
}

/**
 * Segments by likeness to a question, best first, the earlier on ties: by the embedder's own
 * measure where it has one, else by cosine.
 */
export function rankSegments(
  question: Asked,
  segments: readonly Float32Array[],
  embedder: Embedder,
): number[] {
  return descending(
    embedder.likeness?.(question.text) ?? segments.map((s) => cosine(question.vector, s)),
  );
}

function descending(numbers: readonly number[]): number[] {
  return numbers.map((_, i) => i).sort((a, b) => numbers[b] - numbers[a] || a - b);
}
