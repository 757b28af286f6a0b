// How sure a measured accuracy is, and the difference of two: bootstrap over questions, in pairs
// where two policies answered the same.
import { createRandom } from '../math/rng.ts';

export interface Interval {
  readonly mean: number;
  /** 95%: the 2.5th and the 97.5th percentile of resampled means. */
  readonly low: number;
  readonly high: number;
}

const SAMPLES = 2000;
const TAIL = 0.025;

/**
 * The mean of numbers (one a question) with its interval. Seeded: the same numbers give the same
 * interval.
 */
export function bootstrapMean(numbers: readonly number[], seed = 0): Interval {
  const n = numbers.length;
  if (n === 0) return { mean: 0, low: 0, high: 0 };
  const random = createRandom(seed);
  const mean = numbers.reduce((a, b) => a + b, 0) / n;
  const means = Float64Array.from({ length: SAMPLES }, () => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += numbers[Math.floor(random() * n)];
    return sum / n;
  }).sort();
  return {
    mean,
    low: means[Math.floor(TAIL * SAMPLES)],
    high: means[Math.ceil((1 - TAIL) * SAMPLES) - 1],
  };
}

/** a - b, question by question. Throws RangeError where they did not answer the same questions. */
export function bootstrapDifference(
  a: readonly number[],
  b: readonly number[],
  seed = 0,
): Interval {
  if (a.length !== b.length)
    throw new RangeError(`${a.length} and ${b.length} answers cannot be paired`);
  return bootstrapMean(
    a.map((x, i) => x - b[i]),
    seed,
  );
}
