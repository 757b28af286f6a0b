// The token of a random number. What is drawn is defined by sorting all tokens (drawFrom, over all
// of them). Sorting a vocabulary costs as much as the model's step, so it is done only for tokens
// that can matter:
//
//   few can (top-k, min-p, a low temperature): those are collected, sorted, and drawn from
//   many can: weights are added up by bucket of log-odds, and only the bucket where the draw (or
//     top-p) falls is sorted
//
// Where a draw, or top-p's limit, falls so close between two tokens that the last digits of those
// sums could decide, all are sorted after all: the token is always the one of the definition.
import { type Buckets, NEAR } from './buckets.ts';
import { collect, collectTop, guessCount } from './candidates.ts';
import { drawFrom } from './defined.ts';
import type { Filters } from './options.ts';
import type { Ranking } from './ranking.ts';

/** Candidates that are collected and sorted at once: that is quicker than buckets up to here. */
export const FEW = 4096;
/** The same where buckets are laid already. */
const FEW_BESIDE_BUCKETS = 512;
/** How many times that may be guessed and still be looked for: guesses are a few percent off. */
const GUESSED = 1.25;
/** Log-odds below the best that weigh: exp(-45) is below the last half bit of a sum from 1. */
const DROP = 45;

/** What a sampler keeps between its draws. */
export interface Scratch {
  readonly ranking: Ranking;
  readonly buckets: Buckets;
  /** Up to how many candidates are sorted at once: FEW, but in tests. */
  readonly few: number;
}

/** The token of a random number in [0, 1). The temperature is above 0, `best` the best log-odds. */
export function draw(
  logits: Float32Array,
  best: number,
  filters: Filters,
  random: number,
  scratch: Scratch,
): number {
  const V = logits.length;
  const { ranking, few } = scratch;
  const topK = filters.topK > 0 ? Math.min(filters.topK, V) : V;
  if (topK <= few) {
    collectTop(logits, best, topK, ranking);
    return drawFrom(logits, ranking, topK, best, filters, random)!;
  }
  const token =
    filters.topP < 1
      ? drawFromReached(logits, best, topK, filters, random, scratch)
      : (drawFromFew(logits, best, filters, random, scratch) ??
        drawFromMany(logits, best, topK, filters, random, scratch));
  if (token !== undefined) return token;
  collect(logits, Number.NEGATIVE_INFINITY, V, ranking, V);
  return drawFrom(logits, ranking, topK, best, filters, random)!;
}

/**
 * Draws where few weigh anything, of all or of the tokens up to `last`: what top-k and top-p leave;
 * undefined where many do.
 */
function drawFromFew(
  logits: Float32Array,
  best: number,
  filters: Filters,
  random: number,
  { ranking, few }: Scratch,
  last?: number,
  most = few,
): number | undefined {
  const { temperature, minP } = filters;
  const lightest = best - DROP * temperature;
  const ofLast = last === undefined ? Number.NEGATIVE_INFINITY : logits[last];
  // what min-p leaves is computed from the weights
  const least = Math.max(lightest, ofLast, best + Math.log(minP) - NEAR);
  if (guessCount(logits, least) > GUESSED * most) return undefined;
  const lastEqual = last === undefined || ofLast < least ? logits.length : last;
  if (!collect(logits, least, lastEqual, ranking, most)) return undefined;
  const rest = { ...filters, topP: 1 };
  return drawFrom(logits, ranking, most, best, rest, random, least > lightest);
}

/** Draws by buckets, without top-p. */
function drawFromMany(
  logits: Float32Array,
  best: number,
  topK: number,
  { temperature, minP }: Filters,
  random: number,
  { ranking, buckets }: Scratch,
): number | undefined {
  const isCut = topK < logits.length;
  buckets.lay(logits, best, temperature, temperature, isCut);
  if (isCut) buckets.cutAtCount(topK, ranking);
  if (minP > 0 && !buckets.cutAtWeight(minP, ranking)) return undefined;
  return buckets.reach(random, temperature, ranking);
}

/** Draws with top-p, which looks at weights before the temperature; the draw at those after. */
function drawFromReached(
  logits: Float32Array,
  best: number,
  topK: number,
  filters: Filters,
  random: number,
  scratch: Scratch,
): number | undefined {
  const { temperature, topP, minP } = filters;
  const { ranking, buckets } = scratch;
  const isCut = topK < logits.length;
  buckets.lay(logits, best, 1, temperature, isCut);
  if (isCut) buckets.cutAtCount(topK, ranking);
  let last: number | undefined;
  if (minP === 0 || !buckets.isReachedBehind(topP, minP)) {
    last = buckets.reach(topP, 1, ranking);
    if (last === undefined) return undefined;
  }
  const most = buckets.serves(temperature)
    ? Math.min(scratch.few, FEW_BESIDE_BUCKETS)
    : scratch.few;
  const token = drawFromFew(logits, best, filters, random, scratch, last, most);
  if (token !== undefined) return token;
  if (!buckets.serves(temperature)) {
    buckets.lay(logits, best, temperature, temperature, false);
    if (last !== undefined) buckets.cutAt(last, ranking);
  }
  if (minP > 0 && !buckets.cutAtWeight(minP, ranking)) return undefined;
  return buckets.reach(random, temperature, ranking);
}
