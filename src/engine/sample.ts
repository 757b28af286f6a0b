// From log-odds to a token: greedy, or temperature with top-k, top-p and min-p, in llama.cpp's order, from a seeded generator.
import { OptionError } from '../errors.ts';
import { createRandom } from '../math/rng.ts';

export interface SampleOptions {
  /** 0 (default) = greedy: the most probable token, the lower on ties. */
  readonly temperature?: number;
  /** Only the k most probable tokens; 0 (default) = all. */
  readonly topK?: number;
  /** The fewest tokens whose probabilities reach this; 1 (default) = all. */
  readonly topP?: number;
  /** Only tokens at least this share as probable as the best; 0 (default) = all. */
  readonly minP?: number;
  /** Same seed, same tokens. Default 0. */
  readonly seed?: number;
}

/** Checks the options once. Throws OptionError. */
export function createSampler(options: SampleOptions = {}): (logits: Float32Array) => number {
  const { temperature = 0, topK = 0, topP = 1, minP = 0, seed = 0 } = options;
  const check = (name: string, value: number, good: boolean, expected: string) => {
    if (!good || !Number.isFinite(value)) throw new OptionError(`${name} is ${value}, expected ${expected}`);
  };
  check('temperature', temperature, temperature >= 0, 'a number from 0');
  check('topK', topK, Number.isInteger(topK) && topK >= 0, 'a whole number from 0');
  check('topP', topP, topP > 0 && topP <= 1, 'a number above 0, at most 1');
  check('minP', minP, minP >= 0 && minP <= 1, 'a number from 0 to 1');
  check('seed', seed, Number.isInteger(seed), 'a whole number');
  if (temperature === 0) return argmax;
  const random = createRandom(seed);
  return (logits) => {
    const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
    let kept = topK > 0 ? order.slice(0, topK) : order;
    const best = logits[kept[0]];
    // top-p and min-p look at probabilities before the temperature
    let weights = kept.map((i) => Math.exp(logits[i] - best));
    if (topP < 1) {
      const sum = weights.reduce((a, b) => a + b, 0);
      let mass = 0;
      let count = 0;
      while (count < kept.length && mass < topP * sum) mass += weights[count++];
      kept = kept.slice(0, count);
    }
    if (minP > 0) kept = kept.filter((_, i) => weights[i] >= minP);
    weights = kept.map((i) => Math.exp((logits[i] - best) / temperature));
    let left = random() * weights.reduce((a, b) => a + b, 0);
    for (let i = 0; i < kept.length; i++) {
      left -= weights[i];
      if (left < 0) return kept[i];
    }
    return kept[kept.length - 1];
  };
}

/** The index of the largest number, the lower on ties. */
export function argmax(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i;
  return best;
}
