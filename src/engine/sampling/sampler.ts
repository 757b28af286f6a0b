// From log-odds to a token: greedy, or temperature with top-k, top-p and min-p, in llama.cpp's
// order, from a seeded generator.
import { logitsKernels } from '../../backend/wasm/logits.ts';
import { createRandom } from '../../math/rng.ts';
import { argmax, notFinite } from './argmax.ts';
import { Buckets } from './buckets.ts';
import { draw, FEW, type Scratch } from './draw.ts';
import { BUCKETS } from './layout.ts';
import { complete } from '../../options/table.ts';
import { type Filters, type SampleOptions, sampleTable } from './options.ts';
import { Ranking } from './ranking.ts';

/**
 * Lowest temperature to compute with: log-odds differ by at least 2^-149, so that a lower one draws
 * the same tokens.
 */
const COLDEST = 2 ** -200;

/** Draws a token from log-odds [V]. Throws ModelFormatError for log-odds that are not numbers. */
export interface Sampler {
  (logits: Float32Array): number;
  /** The seed of its draws: the option, or the one that was made up. Greedy draws nothing: 0. */
  readonly seed: number;
  /** What decides which token a random number draws, and the next one, for who draws elsewhere. */
  readonly by: Filters;
  random(): number;
}

/** Checks the options once. Throws OptionError. */
export function createSampler(options: SampleOptions = {}): Sampler {
  const { seed, temperature, topK, topP, minP } = complete(options, sampleTable);
  const drawAt = createDraw(options);
  const isGreedy = temperature === 0;
  const used = seed ?? (isGreedy ? 0 : anySeed());
  const random = isGreedy ? () => 0 : createRandom(used);
  const sample = (logits: Float32Array) => drawAt(logits, random());
  return Object.assign(sample, { seed: used, by: { temperature, topK, topP, minP }, random });
}

/**
 * The token of log-odds and a random number in [0, 1). `few` candidates at most are sorted at once,
 * which changes no token. Throws OptionError, at once.
 */
export function createDraw(
  options: Omit<SampleOptions, 'seed'>,
  few = FEW,
): (logits: Float32Array, random: number) => number {
  const { temperature, topK, topP, minP } = complete(options, sampleTable);
  const filters = { temperature, topK, topP, minP };
  if (filters.temperature === 0) return argmax;
  const warm = { ...filters, temperature: Math.max(filters.temperature, COLDEST) };
  const scratch: Scratch = { ranking: new Ranking(few), buckets: new Buckets(), few };
  return (logits, random) => {
    try {
      const kernels = logitsKernels();
      kernels.load(logits, BUCKETS);
      const best = logits[kernels.best()];
      if (!(best < Number.POSITIVE_INFINITY)) throw notFinite(logits);
      return draw(logits, best, warm, random, scratch);
    } finally {
      scratch.buckets.forget();
    }
  };
}

/** 32 bits by chance. */
const anySeed = () => crypto.getRandomValues(new Uint32Array(1))[0];
