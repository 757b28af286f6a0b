// What a text is compared by: the stems of its words, and pieces of them, with weights.
import { wordsOf } from './words.ts';

/**
 * Characters of the pieces of words that count beside whole stems, and how much they do: misspelt,
 * compound and unknown forms still meet.
 */
const GRAM = 4;
export const GRAM_WEIGHT = 0.6;
/** Weights of words (as they are) and of pieces of words (marked by a leading '#'). */
export type Sparse = ReadonlyMap<string, number>;

/** Pieces of GRAM characters of each word, its ends marked. */
export function piecesOf(text: string): string[] {
  return wordsOf(text).flatMap((word) => {
    const marked = `_${word}_`;
    return Array.from(
      { length: Math.max(0, marked.length - GRAM + 1) },
      (_, i) => `#${marked.slice(i, i + GRAM)}`,
    );
  });
}

export function countOf(features: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const feature of features) counts.set(feature, (counts.get(feature) ?? 0) + 1);
  return counts;
}

export function lengthOf(weights: Sparse): number {
  let sum = 0;
  for (const weight of weights.values()) sum += weight * weight;
  return Math.sqrt(sum);
}

export function scaled(weights: Sparse, by: number): Sparse {
  return new Map([...weights].map(([feature, weight]) => [feature, weight * by]));
}
