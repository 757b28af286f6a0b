// How log-odds lie in buckets: how many buckets there are to a unit, and what a token in one weighs
// at a temperature, as the weight of the bucket's middle and a polynomial of the place within.
import { logitsKernels, type Polynomial } from '../../backend/wasm/logits.ts';
import { guessLowest } from './candidates.ts';

/** Buckets of log-odds: the sums of them that are in use stay within L1. */
export const BUCKETS = 4096;
/** Log-odds below the best, over the temperature, that buckets hold: the others weigh < e^-40. */
const DROP = 40;
/** Where all lie much closer, the buckets do too: by halves, so that weights can be kept. */
const HALVES = 10;
/** How much farther than a guess the lowest is taken to lie. */
const MARGIN = 1.5;
/** Width of buckets, over a temperature, up to which polynomials of the 4th degree are exact. */
const WIDEST = 0.114;
/** Numbers from here on have no fraction: adding it rounds, as the kernel does. */
const ROUND = 1.5 * 2 ** 52;

/** The bucket of a place on their scale; BUCKETS stands for all that lies behind. */
export function bucketAt(z: number): number {
  return z < BUCKETS - 1 ? z + ROUND - ROUND : BUCKETS;
}

/** What tokens weigh at a temperature. */
export interface Weights {
  temperature: number;
  /** Width of a bucket over the temperature. */
  width: number;
  /** The weight of each bucket's middle. */
  readonly middles: Float64Array;
  /** Sums of weights by bucket. */
  readonly sums: Float64Array;
}

export function createWeights(): Weights {
  const [middles, sums] = [new Float64Array(BUCKETS), new Float64Array(BUCKETS)];
  return { temperature: 0, width: Number.NaN, middles, sums };
}

/** Sets weights for buckets of which `by` make a unit of log-odds. */
export function setWeights(weights: Weights, temperature: number, by: number): void {
  const width = 1 / (by * temperature);
  weights.temperature = temperature;
  if (weights.width === width) return;
  weights.width = width;
  for (let b = 0; b < BUCKETS; b++) weights.middles[b] = Math.exp(-b * width);
}

/**
 * Adds up weights by bucket, at another temperature too if there is one, and counts if there are
 * `counts` to be set. The kernels hold the log-odds. Returns the lowest of them from `least` up
 * that have no bucket, or Infinity.
 */
export function addUp(
  weights: Weights,
  other: Weights | undefined,
  best: number,
  by: number,
  least: number,
  counts: Int32Array | undefined,
): number {
  const polynomials = [polynomialOf(weights), other && polynomialOf(other)] as const;
  const scale = { best, by, behind: BUCKETS - 1 };
  const lowest = logitsKernels().sums(polynomials, counts, least, scale);
  for (const { sums, middles } of other ? [weights, other] : [weights])
    for (let b = 0; b < BUCKETS; b++) sums[b] *= middles[b];
  return lowest;
}

/**
 * exp(-x), |x| <= h, by its first terms: that of x^5 is spread over those of x^3 and x, which
 * leaves h^5 / 1920.
 */
function polynomialOf({ sums, width }: Weights): Polynomial {
  const h = width / 2;
  return {
    sums,
    coefficients: [
      -width * (1 - h ** 4 / 384),
      width ** 2 / 2,
      width ** 3 * (-1 / 6 - h ** 2 / 96),
      width ** 4 / 24,
    ],
  };
}

/** Whether buckets are narrow enough for another temperature than that they are laid for. */
export function isNarrow(temperature: number, by: number): boolean {
  return 1 / (by * temperature) <= WIDEST;
}

/**
 * Buckets to a unit of log-odds, so that they hold everything that weighs at a temperature, and at
 * a low one the others too: a pass that takes all is quicker than one that must choose. How far
 * they reach is guessed, unless `lowest` is what is known to be the lowest that weighs.
 */
export function scaleOf(
  logits: Float32Array,
  best: number,
  temperature: number,
  lowest?: number,
): number {
  const widest = WIDEST * temperature * (BUCKETS - 2);
  const most = Math.max(DROP * temperature, Math.min(DROP, widest));
  if (lowest !== undefined) return (BUCKETS - 2) / Math.min(most, best - lowest);
  const low = guessLowest(logits, Math.max(best - most, -Number.MAX_VALUE));
  let drop = DROP * 2 ** -HALVES;
  while (drop < (best - low) * MARGIN) drop *= 2;
  return (BUCKETS - 2) / Math.min(most, drop);
}

/** Log-odds below which a token weighs next to nothing at a temperature. */
export function lightest(best: number, temperature: number): number {
  return Math.max(best - DROP * temperature, -Number.MAX_VALUE);
}
