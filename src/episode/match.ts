// Which episode a question is about.
import { cosine } from './embed.ts';

/** Episodes by cos(question, centroid), best first, the lower on ties. */
export function matchEpisodes(question: Float32Array, centroids: readonly Float32Array[]): number[] {
  const lengths = centroids.map((c) => Math.sqrt(cosine(c, c)) || 1);
  const likeness = centroids.map((c, e) => cosine(question, c) / lengths[e]);
  return likeness.map((_, e) => e).sort((a, b) => likeness[b] - likeness[a] || a - b);
}
