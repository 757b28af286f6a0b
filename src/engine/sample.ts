// From log-odds to a token: greedy, or temperature with top-k, top-p and min-p, in llama.cpp's
// order, from a seeded generator.
//
// What is drawn is defined by sorting all tokens (drawFrom, below, over all of them): the most
// probable first, weights added up in that order in f64. Sorting a vocabulary costs more than the
// model's step, so it is done only for tokens that can matter:
//
//   few can (top-k, min-p, a low temperature): those are collected, sorted, and drawn from
//   many can: weights are added up by bucket of log-odds, as exp(-f) = 1 - f + f^2/2 - f^3/6 within
//     a bucket; only the bucket where the draw (or top-p) falls is sorted
//
// Sums by bucket differ from those of the definition in the last digits. Where a draw, or top-p's
// limit, falls so close between two tokens that this could decide, all are sorted after all: the
// token is always the one of the definition.
import { ModelFormatError } from '../errors.ts';
import { createRandom } from '../math/rng.ts';
import { complete } from '../options/table.ts';
import { Ranking } from './ranking.ts';
import { type SampleOptions, sampleTable } from './sample-options.ts';

export type { SampleOptions };

/** Draws a token from log-odds [V]. Throws ModelFormatError for log-odds that are not numbers. */
export interface Sampler {
  (logits: Float32Array): number;
  /** The seed of its draws: the option, or the one that was made up. Greedy draws nothing: 0. */
  readonly seed: number;
}

/** Candidates that are collected and sorted at once: a tenth of a millisecond. */
const FEW = 2048;
/** Buckets of log-odds: sums and counts of them stay within L2. */
const BUCKETS = 8192;
/** Log-odds below the best that weigh: exp(-45) is below the last half bit of a sum from 1. */
const SPAN = 45;
/** Log-odds over which weights are put into buckets; what lies behind weighs e^-40 at most. */
const BUCKET_SPAN = 40;
/**
 * Temperatures from here up can share buckets laid for 1: exp of a place in one, 1 / 102 at most,
 * is off by 4e-10 then.
 */
const COOL = 0.5;
/** Of a sum: how far four terms of exp, and e^-40 times any vocabulary, are off at most. */
const BUCKET_ERROR = 1e-9;
/** Of a sum, a token: how far adding up rounds, twice over. */
const ROUNDING = 2 ** -51;
/** Temperatures above which log-odds may all lie within a few buckets. */
const WARM = 2;
/** Log-odds around min-p's limit within which its weight is computed. */
const NEAR = 1e-6;

/** Checks the options once. Throws OptionError. */
export function createSampler(options: SampleOptions = {}): Sampler {
  const { seed, temperature } = complete(options, sampleTable);
  const drawAt = createDraw(options);
  if (temperature === 0) return named((logits) => drawAt(logits, 0), seed ?? 0);
  const used = seed ?? anySeed();
  const random = createRandom(used);
  return named((logits) => drawAt(logits, random()), used);
}

/** The token of log-odds and a random number in [0, 1). Throws OptionError, at once. */
export function createDraw(
  options: Omit<SampleOptions, 'seed'>,
): (logits: Float32Array, random: number) => number {
  const { temperature, topK, topP, minP } = complete(options, sampleTable);
  if (temperature === 0) return argmax;
  const filters = { temperature, topK, topP, minP };
  const ranking = new Ranking(FEW);
  const buckets = new Buckets();
  return (logits, random) => {
    try {
      return draw(logits, logits[argmax(logits)], filters, random, ranking, buckets);
    } finally {
      buckets.forget();
    }
  };
}

const named = (sample: (logits: Float32Array) => number, seed: number): Sampler =>
  Object.assign(sample, { seed });

/** 32 bits by chance. */
const anySeed = () => crypto.getRandomValues(new Uint32Array(1))[0];

interface Filters {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
}

/**
 * The index of the largest number, the lower on ties. Throws ModelFormatError where one is NaN,
 * none is more than -Infinity, or one is Infinity: there is no most probable token then.
 */
export function argmax(logits: Float32Array): number {
  // four at a time, so that none waits for the one before; a NaN shows in the sum
  let a = Number.NEGATIVE_INFINITY;
  let [b, c, d, sum] = [a, a, a, 0];
  const whole = logits.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    const w = logits[i];
    const x = logits[i + 1];
    const y = logits[i + 2];
    const z = logits[i + 3];
    if (w > a) a = w;
    if (x > b) b = x;
    if (y > c) c = y;
    if (z > d) d = z;
    sum += w + x + (y + z);
  }
  for (let i = whole; i < logits.length; i++) {
    if (logits[i] > a) a = logits[i];
    sum += logits[i];
  }
  const most = Math.max(a, b, c, d);
  if (Number.isNaN(sum) || !Number.isFinite(most)) throw notFinite(logits);
  return logits.indexOf(most);
}

/** The error of log-odds that nothing can be made of, with the first that is to blame. */
export function notFinite(logits: Float32Array): ModelFormatError {
  const odd = logits.findIndex((l) => !(l < Number.POSITIVE_INFINITY));
  const token = Math.max(0, odd);
  return new ModelFormatError(
    `the log-odds of token ${token} are ${logits[token] ?? 'missing'}, expected finite numbers: ` +
      `the model's weights are damaged or overflow, get another copy or type of it`,
  );
}

/** The token of a random number in [0, 1). */
function draw(
  logits: Float32Array,
  best: number,
  filters: Filters,
  random: number,
  ranking: Ranking,
  buckets: Buckets,
): number {
  const V = logits.length;
  const { temperature, topP, minP } = filters;
  const topK = filters.topK > 0 ? Math.min(filters.topK, V) : V;
  if (topK <= FEW) {
    buckets.collectTop(logits, best, topK, ranking);
    return drawFrom(logits, ranking, topK, best, filters, random)!;
  }
  const sortAll = () => {
    collect(logits, Number.NEGATIVE_INFINITY, V, ranking, V);
    return drawFrom(logits, ranking, topK, best, filters, random)!;
  };
  if (topP === 1) {
    // all that weigh anything, if they are few: what min-p leaves is computed from their weights
    const isCut = minP > 0 && Math.log(minP) - NEAR > -SPAN * temperature;
    const least = best + (isCut ? Math.log(minP) - NEAR : -SPAN * temperature);
    if (collect(logits, least, V, ranking, FEW))
      return drawFrom(logits, ranking, V, best, filters, random, isCut) ?? sortAll();
  }
  // top-p looks at weights before the temperature, the draw at those after
  const isOneLayout = topP === 1 || temperature >= COOL;
  buckets.lay(logits, best, topP < 1 ? 1 : temperature, isOneLayout ? temperature : 1);
  if (topK < V) buckets.cutAtCount(topK, ranking);
  if (topP < 1) {
    const last = buckets.reach(topP, 1, ranking);
    if (last === undefined) return sortAll();
    if (!isOneLayout) {
      if (buckets.count <= FEW) {
        collect(logits, logits[last], last, ranking, FEW);
        return drawFrom(logits, ranking, V, best, { ...filters, topP: 1 }, random)!;
      }
      buckets.lay(logits, best, temperature, temperature);
      buckets.cutAt(last, ranking);
    }
  }
  if (minP > 0 && !buckets.cutAtWeight(minP, ranking)) return sortAll();
  return buckets.reach(random, temperature, ranking) ?? sortAll();
}

/**
 * The definition: from the first `topK` tokens of a ranking, sorted here. `isWhole` says that no
 * other token weighs anything; undefined where another could be drawn and it is not.
 */
function drawFrom(
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
  const { tokens } = ranking;
  let count = Math.min(topK, ranking.count);
  // top-p and min-p look at probabilities before the temperature
  const weight = (i: number) => Math.exp(logits[tokens[i]] - best);
  if (topP < 1) {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += weight(i);
    let mass = 0;
    let fewest = 0;
    while (fewest < count && mass < topP * sum) mass += weight(fewest++);
    count = fewest;
  }
  if (minP > 0) {
    let kept = 0;
    for (let i = 0; i < count; i++) if (weight(i) >= minP) tokens[kept++] = tokens[i];
    count = kept;
  }
  let sum = 0;
  for (let i = 0; i < count; i++) sum += Math.exp((logits[tokens[i]] - best) / temperature);
  let left = random * sum;
  for (let i = 0; i < count; i++) {
    left -= Math.exp((logits[tokens[i]] - best) / temperature);
    if (left < 0) return tokens[i];
  }
  return isWhole ? tokens[count - 1] : undefined;
}

/**
 * Puts the tokens from `least` up, and of those that equal it the ones up to `last`, into an empty
 * ranking; gives up and returns false where they are more than `most`.
 */
function collect(
  logits: Float32Array,
  least: number,
  last: number,
  ranking: Ranking,
  most: number,
): boolean {
  ranking.clear();
  for (let i = 0; i < logits.length; i++) {
    const l = logits[i];
    if (l < least || (l === least && i > last)) continue;
    if (ranking.count === most) return false;
    ranking.put(i);
  }
  return true;
}

const nothing = new Float32Array(0);

/** The bucket of a place on their scale; the last one holds all that lies behind. */
function bucketAt(z: number): number {
  return z < BUCKETS ? z | 0 : BUCKETS;
}

/**
 * Tokens by how far below the best they are: those of a bucket come before those of the next. A
 * part of the order, from the best token on, is the buckets before `#end` and `#within` of that
 * one.
 */
class Buckets {
  #logits: Float32Array = nothing;
  #best = 0;
  #temperature = 1;
  /** Buckets to a unit of log-odds, and to a unit of them over the temperature. */
  #by = 1;
  #scale = 1;
  /** The bucket of each token. */
  #places = new Uint16Array(0);
  /** Weight of each bucket at the temperature that they are laid for, and at another. */
  #sums = new Float64Array(BUCKETS);
  #others = new Float64Array(BUCKETS);
  #counts = new Int32Array(BUCKETS + 1);
  #end = BUCKETS;
  #within = 0;
  /** Those of the part in bucket `#end`. */
  #lastOnes = new Int32Array(0);

  /** Puts the `k` first tokens of the order in, and what shares a bucket with the last of them. */
  collectTop(logits: Float32Array, best: number, k: number, ranking: Ranking): void {
    this.#measure(logits, best, 1);
    const by = this.#by;
    const counts = this.#counts.fill(0);
    for (let i = 0; i < logits.length; i++) counts[bucketAt((best - logits[i]) * by)]++;
    const [bucket] = this.#bucketOf(k);
    ranking.clear();
    const least = bucket < BUCKETS ? best - (bucket + 1) / by : Number.NEGATIVE_INFINITY;
    for (let i = 0; i < logits.length; i++) if (logits[i] >= least) ranking.put(i);
  }

  /**
   * Puts all tokens into buckets, and adds up their weights: at a temperature that says how wide
   * buckets are, and at another one, from COOL up. The part is everything that weighs.
   */
  lay(logits: Float32Array, best: number, temperature: number, other: number): void {
    this.#measure(logits, best, temperature);
    if (this.#places.length !== logits.length) this.#places = new Uint16Array(logits.length);
    const by = this.#by;
    const width = 1 / this.#scale;
    const ratio = temperature / other;
    const isTwice = ratio !== 1;
    const places = this.#places;
    const sums = this.#sums.fill(0);
    const others = isTwice ? this.#others.fill(0) : this.#others;
    for (let i = 0; i < logits.length; i++) {
      const z = (best - logits[i]) * by;
      if (!(z < BUCKETS)) {
        places[i] = BUCKETS;
        continue;
      }
      const bucket = z | 0;
      places[i] = bucket;
      const f = (z - bucket) * width;
      sums[bucket] += 1 - f * (1 - f * (0.5 - f * (1 / 6)));
      if (!isTwice) continue;
      const g = f * ratio;
      others[bucket] += 1 - g * (1 - g * (0.5 - g * (1 / 6)));
    }
    for (let b = 0; b < BUCKETS; b++) {
      if (sums[b] === 0) continue;
      sums[b] *= Math.exp(-b * width);
      if (isTwice) others[b] *= Math.exp(-b * width * ratio);
    }
    this.#end = BUCKETS;
    this.#within = 0;
  }

  /** Lets go of the log-odds, whose memory may move. */
  forget(): void {
    this.#logits = nothing;
  }

  /** How many tokens the part has. */
  get count(): number {
    const [places, end] = [this.#places, this.#end];
    let count = this.#within;
    for (let i = 0; i < places.length; i++) if (places[i] < end) count++;
    return count;
  }

  /** Ends the part behind its k-th token, if that weighs anything. */
  cutAtCount(k: number, ranking: Ranking): void {
    const places = this.#places;
    const counts = this.#counts.fill(0);
    for (let i = 0; i < places.length; i++) counts[places[i]]++;
    const [bucket, before] = this.#bucketOf(k);
    if (bucket === BUCKETS) return;
    this.#gather(bucket, ranking);
    this.#cut(bucket, k - before, ranking);
  }

  /** Ends the part behind a token. */
  cutAt(token: number, ranking: Ranking): void {
    const bucket = this.#places[token];
    if (bucket === BUCKETS) return;
    this.#gather(bucket, ranking);
    this.#cut(bucket, ranking.tokens.subarray(0, ranking.count).indexOf(token) + 1, ranking);
  }

  /**
   * Ends the part before the first token that weighs less before the temperature; false where it
   * cannot be told which that is.
   */
  cutAtWeight(least: number, ranking: Ranking): boolean {
    const limit = -Math.log(least);
    const bucket = bucketAt((limit + NEAR) * this.#by);
    if (bucket > this.#end || bucket === BUCKETS) return true;
    if (bucketAt((limit - NEAR) * this.#by) !== bucket || limit < NEAR) return false;
    this.#gather(bucket, ranking);
    let within = 0;
    while (
      within < ranking.count &&
      Math.exp(this.#logits[ranking.tokens[within]] - this.#best) >= least
    )
      within++;
    this.#cut(bucket, bucket === this.#end ? Math.min(within, this.#within) : within, ranking);
    return true;
  }

  /**
   * The first token at which the weights of the part, added up in order, pass a share of their sum;
   * the part then ends with it. undefined where the last digits would decide.
   */
  reach(share: number, temperature: number, ranking: Ranking): number | undefined {
    const end = this.#end;
    const sums = temperature === this.#temperature ? this.#sums : this.#others;
    const weight = (token: number) => Math.exp((this.#logits[token] - this.#best) / temperature);
    let sum = 0;
    for (let b = 0; b < end; b++) sum += sums[b];
    const lastOnes = this.#lastOnes;
    for (let i = 0; i < this.#within; i++) sum += weight(lastOnes[i]);
    const target = share * sum;
    const error = sum * (BUCKET_ERROR + this.#places.length * ROUNDING);
    let bucket = 0;
    let mass = 0;
    while (bucket < end && mass + sums[bucket] <= target) mass += sums[bucket++];
    if (bucket < end) this.#gather(bucket, ranking);
    const tokens = bucket < end ? ranking.tokens : lastOnes;
    const count = bucket < end ? ranking.count : this.#within;
    for (let i = 0; i < count; i++) {
      const before = mass;
      mass += weight(tokens[i]);
      if (mass <= target) continue;
      const isFirst = bucket === 0 && i === 0;
      if (mass - target <= error || (!isFirst && target - before <= error)) return undefined;
      const token = tokens[i];
      if (bucket < end) this.#cut(bucket, i + 1, ranking);
      else this.#within = i + 1;
      return token;
    }
    return undefined;
  }

  /**
   * Lays the buckets over BUCKET_SPAN times the temperature, or over what there is where that is
   * much less.
   */
  #measure(logits: Float32Array, best: number, temperature: number): void {
    this.#logits = logits;
    this.#best = best;
    this.#temperature = temperature;
    let span = BUCKET_SPAN * temperature;
    if (temperature > WARM) {
      let low = best;
      for (let i = 0; i < logits.length; i++)
        if (logits[i] < low && logits[i] > Number.NEGATIVE_INFINITY) low = logits[i];
      span = Math.min(span, best - low);
    }
    this.#by = span > 0 ? Math.min((BUCKETS - 1) / span, Number.MAX_VALUE) : 1;
    this.#scale = span > 0 ? this.#by * temperature : 1;
  }

  /** Ends the part with the first `within` of a bucket's tokens, which the ranking holds. */
  #cut(bucket: number, within: number, ranking: Ranking): void {
    this.#end = bucket;
    this.#within = within;
    this.#lastOnes = ranking.tokens.slice(0, within);
  }

  /** The bucket of the k-th token by the counts, and how many are in those before it. */
  #bucketOf(k: number): [bucket: number, before: number] {
    const counts = this.#counts;
    let bucket = 0;
    let before = 0;
    while (bucket < BUCKETS && before + counts[bucket] < k) before += counts[bucket++];
    return [bucket, before];
  }

  /** The tokens of a bucket, in order. */
  #gather(bucket: number, ranking: Ranking): void {
    const places = this.#places;
    ranking.clear();
    for (let i = 0; i < places.length; i++) if (places[i] === bucket) ranking.put(i);
    ranking.sort(this.#logits);
  }
}
