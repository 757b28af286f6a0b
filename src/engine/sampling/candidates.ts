// The tokens that can matter, found in one pass over all. How many they are and how far apart they
// lie is guessed before, from a sample; a wrong guess costs time, never a token.
import { logitsKernels } from '../../backend/wasm/logits.ts';
import type { Ranking } from './ranking.ts';

/** Tokens that a guess looks at, at least: its counts are off by a few percent. */
const GUESS_BITS = 13;
/** Levels of log-odds that a guess tells apart. */
const LEVELS = 4096;
/** Log-odds below the best over which the levels lie first, and how much farther each time then. */
const FIRST_DROP = 1 / 4;
const FARTHER = 64;

/** The lowest f32. */
const LOWEST = -(2 - 2 ** -23) * 2 ** 127;

const levels = new Int32Array(LEVELS);

/** A guess looks at one token in so many: an odd number, out of step with any regular order. */
const strideOf = (logits: Float32Array) => (logits.length >> GUESS_BITS) | 1;

/** About how many tokens have at least these log-odds. */
export function guessCount(logits: Float32Array, least: number): number {
  const stride = strideOf(logits);
  let count = 0;
  for (let i = 0; i < logits.length; i += stride) if (logits[i] >= least) count++;
  return count * stride;
}

/** About the lowest of the log-odds that are at least this. */
export function guessLowest(logits: Float32Array, least: number): number {
  const stride = strideOf(logits);
  let low = Number.POSITIVE_INFINITY;
  for (let i = 0; i < logits.length; i += stride) {
    const l = logits[i];
    if (l < low && l >= least) low = l;
  }
  return low;
}

/**
 * Puts the tokens from `least` up, and of those that equal it the ones up to `last`, into an empty
 * ranking; returns false where they are more than `most`. The kernels hold the log-odds.
 */
export function collect(
  logits: Float32Array,
  least: number,
  last: number,
  ranking: Ranking,
  most: number,
): boolean {
  ranking.clear();
  const found = logitsKernels().within(least, Number.POSITIVE_INFINITY, most);
  if (!found) return false;
  for (const token of found) {
    const l = logits[token];
    if (l > least || (l === least && token <= last)) ranking.put(token);
  }
  return true;
}

/** Puts the `k` first tokens of the order into an empty ranking, and perhaps some behind them. */
export function collectTop(logits: Float32Array, best: number, k: number, ranking: Ranking): void {
  const V = logits.length;
  const stride = strideOf(logits);
  if (stride > 1) {
    const expected = k / stride;
    // four deviations more than on average, so that a second look is as good as never needed
    const rank = Math.ceil(expected + 4 * Math.sqrt(expected) + 4);
    collect(logits, leastOf(logits, best, rank, stride), V, ranking, V);
    if (ranking.count >= k) return;
  }
  collect(logits, leastOf(logits, best, k, 1), V, ranking, V);
  // where fewer are finite, the others follow as they stand
  for (let i = 0; i < V && ranking.count < k; i++)
    if (logits[i] === Number.NEGATIVE_INFINITY) ranking.put(i);
}

/** Log-odds that `rank` of every stride-th token reach, and few more; or all that are finite. */
function leastOf(logits: Float32Array, best: number, rank: number, stride: number): number {
  let isAll = false;
  for (let drop = FIRST_DROP; !isAll; drop *= FARTHER) {
    const by = LEVELS / drop;
    levels.fill(0);
    isAll = true;
    for (let i = 0; i < logits.length; i += stride) {
      const z = (best - logits[i]) * by;
      if (z < LEVELS) levels[z | 0]++;
      else if (logits[i] > Number.NEGATIVE_INFINITY) isAll = false;
    }
    let count = 0;
    for (let level = 0; level < LEVELS; level++) {
      count += levels[level];
      // half a level more than rounding could take
      if (count >= rank) return best - (level + 1.5) / by;
    }
  }
  return LOWEST;
}
