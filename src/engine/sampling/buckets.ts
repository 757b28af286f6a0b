// Tokens by how far below the best they are, without sorting them: those of a bucket come before
// those of the next, and only the buckets where something ends or is drawn are sorted.
//
// Sums by bucket differ from those of the definition in the last digits. Where that could decide
// between two tokens, there is no answer (undefined).
import { logitsKernels } from '../../backend/wasm/logits.ts';
import {
  addUp,
  BUCKETS,
  bucketAt,
  createWeights,
  isNarrow,
  lightest,
  scaleOf,
  setWeights,
} from './layout.ts';
import type { Ranking } from './ranking.ts';

/** Of a sum: how far polynomials, and e^-40 times any vocabulary, are off at most, twice over. */
const BUCKET_ERROR = 1e-9;
/** Of a sum, a token: how far adding up rounds, twice over. */
const ROUNDING = 2 ** -51;
/** Log-odds around min-p's limit within which its weight is computed. */
export const NEAR = 1e-6;

const nothing = new Float32Array(0);
const nothing32 = new Int32Array(0);

/** A part of the order, from the best token on, is the buckets before `#end` and `#lastOnes`. */
export class Buckets {
  #logits: Float32Array = nothing;
  #best = 0;
  /** Buckets to a unit of log-odds. */
  #by = 1;
  /** Weights at the temperature that buckets are laid for, and at another. */
  readonly #weights = createWeights();
  readonly #others = createWeights();
  #hasOther = false;
  readonly #counts = new Int32Array(BUCKETS);
  #end = BUCKETS;
  /** Those of the part in bucket `#end`, in order. */
  #lastOnes: Int32Array = nothing32;

  /**
   * Puts all tokens into buckets, adds up their weights at a temperature, and at another if buckets
   * are narrow enough for it, and counts them if that is said. The part is everything that weighs.
   */
  lay(
    logits: Float32Array,
    best: number,
    temperature: number,
    other: number,
    isCounted: boolean,
  ): void {
    this.#logits = logits;
    this.#best = best;
    this.#end = BUCKETS;
    this.#lastOnes = nothing32;
    const least = lightest(best, temperature);
    const counts = isCounted ? this.#counts : undefined;
    let lowest: number | undefined;
    do {
      const by = scaleOf(logits, best, temperature, lowest);
      this.#by = by;
      this.#hasOther = other !== temperature && isNarrow(other, by);
      setWeights(this.#weights, temperature, by);
      if (this.#hasOther) setWeights(this.#others, other, by);
      const others = this.#hasOther ? this.#others : undefined;
      lowest = addUp(this.#weights, others, best, by, least, counts);
    } while (lowest < best);
  }

  /** Whether weights were added up at a temperature. */
  serves(temperature: number): boolean {
    return temperature === this.#weights.temperature || this.#hasOther;
  }

  /** Lets go of the log-odds, whose memory may move. */
  forget(): void {
    this.#logits = nothing;
  }

  /** Ends the part behind its k-th token, if that weighs anything. Tokens were counted. */
  cutAtCount(k: number, ranking: Ranking): void {
    const counts = this.#counts;
    let bucket = 0;
    let before = 0;
    while (bucket < BUCKETS && before + counts[bucket] < k) before += counts[bucket++];
    if (bucket === BUCKETS) return;
    this.#gather(bucket, ranking);
    this.#cut(bucket, k - before, ranking);
  }

  /** Ends the part behind a token. */
  cutAt(token: number, ranking: Ranking): void {
    const bucket = bucketAt((this.#best - this.#logits[token]) * this.#by);
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
    const most = bucket === this.#end ? this.#lastOnes.length : within;
    this.#cut(bucket, Math.min(within, most), ranking);
    return true;
  }

  /**
   * Whether top-p's limit lies behind min-p's for certain, and so matters not. Buckets are laid for
   * a temperature of 1.
   */
  isReachedBehind(share: number, least: number): boolean {
    const bucket = bucketAt((NEAR - Math.log(least)) * this.#by);
    if (bucket >= this.#end) return false;
    const { sum, error } = this.#sumUp(1);
    const sums = this.#sumsAt(1);
    let mass = 0;
    for (let b = 0; b <= bucket; b++) mass += sums[b];
    return mass + error < share * sum;
  }

  /**
   * The first token at which the weights of the part, added up in order, pass a share of their sum;
   * the part then ends with it. undefined where the last digits would decide.
   */
  reach(share: number, temperature: number, ranking: Ranking): number | undefined {
    const end = this.#end;
    const sums = this.#sumsAt(temperature);
    const { sum, error } = this.#sumUp(temperature);
    const target = share * sum;
    let bucket = 0;
    let mass = 0;
    while (bucket < end && mass + sums[bucket] <= target) mass += sums[bucket++];
    if (bucket < end) this.#gather(bucket, ranking);
    const tokens = bucket < end ? ranking.tokens : this.#lastOnes;
    const count = bucket < end ? ranking.count : this.#lastOnes.length;
    let weight = 1;
    for (let i = 0; i < count; i++) {
      const before = mass;
      const token = tokens[i];
      if (i === 0 || this.#logits[token] !== this.#logits[tokens[i - 1]])
        weight = this.#weigh(token, temperature);
      mass += weight;
      if (mass <= target) continue;
      const isFirst = bucket === 0 && i === 0;
      if (mass - target <= error || (!isFirst && target - before <= error)) return undefined;
      if (bucket < end) this.#cut(bucket, i + 1, ranking);
      else this.#lastOnes = this.#lastOnes.subarray(0, i + 1);
      return token;
    }
    return undefined;
  }

  #weigh(token: number, temperature: number): number {
    return Math.exp((this.#logits[token] - this.#best) / temperature);
  }

  #sumsAt(temperature: number): Float64Array {
    return (temperature === this.#weights.temperature ? this.#weights : this.#others).sums;
  }

  /** The weight of the part, and how far it, or that of less, may be off. */
  #sumUp(temperature: number): { sum: number; error: number } {
    const [sums, end] = [this.#sumsAt(temperature), this.#end];
    let sum = 0;
    for (let b = 0; b < end; b++) sum += sums[b];
    let last = this.#best;
    let weight = 1;
    for (const token of this.#lastOnes) {
      const l = this.#logits[token];
      if (l !== last) weight = this.#weigh(token, temperature);
      last = l;
      sum += weight;
    }
    return { sum, error: sum * (BUCKET_ERROR + this.#logits.length * ROUNDING) };
  }

  /** Ends the part with the first `within` of a bucket's tokens, which the ranking holds. */
  #cut(bucket: number, within: number, ranking: Ranking): void {
    this.#end = bucket;
    this.#lastOnes = ranking.tokens.slice(0, within);
  }

  /** The tokens of a bucket, in order. */
  #gather(bucket: number, ranking: Ranking): void {
    const [logits, best, by] = [this.#logits, this.#best, this.#by];
    ranking.clear();
    // a little more than the bucket is looked at twice
    const middle = best - bucket / by;
    const half = 0.51 / by + Math.abs(middle) * 2 ** -50;
    const found = logitsKernels().within(middle - half, middle + half, logits.length)!;
    for (const token of found)
      if (bucketAt((best - logits[token]) * by) === bucket) ranking.put(token);
    ranking.sort(logits);
  }
}
