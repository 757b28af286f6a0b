// What is drawn is defined here: the tokens in order, the most probable first, their weights added
// up in that order in f64, and the token at which the sum passes the drawn share of the whole
// (docs/algorithms.md, 'Sampling').
import type { Filters } from './options.ts';
import type { Ranking } from './ranking.ts';

/**
 * The token of a random number, from the first `topK` tokens of a ranking, which is sorted here.
 * `isWhole` says that no other token can be drawn; undefined where one could be and it is not.
 */
export function drawFrom(
  logits: Float32Array,
  ranking: Ranking,
  topK: number,
  best: number,
  filters: Filters,
  random: number,
  isWhole = true,
): number | undefined {
  const { temperature, topP, minP } = filters;
  ranking.sort(logits);
  const { tokens, weights } = ranking;
  let count = Math.min(topK, ranking.count);
  // top-p and min-p look at probabilities before the temperature
  const isFiltered = topP < 1 || minP > 0;
  if (isFiltered) {
    weigh(logits, ranking, count, best, 1);
    if (topP < 1) count = countUpTo(weights, count, topP);
    if (minP > 0) {
      let kept = 0;
      for (let i = 0; i < count; i++) {
        if (!(weights[i] >= minP)) continue;
        tokens[kept] = tokens[i];
        weights[kept++] = weights[i];
      }
      count = kept;
    }
  }
  if (!isFiltered || temperature !== 1) weigh(logits, ranking, count, best, temperature);
  let sum = 0;
  for (let i = 0; i < count; i++) sum += weights[i];
  let left = random * sum;
  for (let i = 0; i < count; i++) {
    left -= weights[i];
    if (left < 0) return tokens[i];
  }
  return isWhole ? tokens[count - 1] : undefined;
}

/** Sets the weights of the first tokens of a ranking; equal log-odds have one. */
function weigh(
  logits: Float32Array,
  { tokens, weights }: Ranking,
  count: number,
  best: number,
  temperature: number,
): void {
  let last = best;
  let weight = 1;
  for (let i = 0; i < count; i++) {
    const l = logits[tokens[i]];
    if (l !== last) weight = Math.exp((l - best) / temperature);
    last = l;
    weights[i] = weight;
  }
}

/** The fewest of the first weights that reach a share of their sum. */
function countUpTo(weights: Float64Array, count: number, share: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += weights[i];
  let mass = 0;
  let fewest = 0;
  while (fewest < count && mass < share * sum) mass += weights[fewest++];
  return fewest;
}
