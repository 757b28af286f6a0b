// Passes over a vocabulary's log-odds, in wasm. They have a memory of their own, into which
// log-odds are copied: wherever they come from (this thread, a worker, another device), and however
// the model's memory moves, what is read here stays.
import { compileKernels, instantiate } from './builds.ts';
import { type Core, createCore } from './core.ts';

/** Where buckets are. */
export interface BucketScale {
  readonly best: number;
  /** Buckets to a unit of log-odds. */
  readonly by: number;
  /** From this bucket on there are none. */
  readonly behind: number;
}

/** What a token weighs in its bucket, 1 + c1 f + c2 f^2 + ..., and the sums of it by bucket. */
export interface Polynomial {
  readonly coefficients: readonly [number, number, number, number];
  readonly sums: Float64Array;
}

export class LogitsKernels {
  readonly #core: Core = createCore(compileKernels(), { instantiate });
  #length = 0;
  /** Where sums begin, and counts behind them. */
  readonly #sums = (this.#core.base + 15) & ~15;
  /** Where the log-odds and the indices that were found begin. */
  #logits = 0;
  #kept = 0;

  /** Takes log-odds in, beside room for sums of `buckets` buckets. Those before are gone. */
  load(logits: Float32Array, buckets: number): void {
    const { memory } = this.#core;
    this.#logits = (this.#sums + buckets * 20 + 15) & ~15;
    this.#kept = this.#logits + logits.length * 4;
    this.#length = logits.length;
    this.#core.reserve(this.#kept + logits.length * 4);
    new Float32Array(memory.buffer, this.#logits, logits.length).set(logits);
  }

  /** The largest's index, the lower on ties; -1 where one is NaN or none is above -Infinity. */
  best(): number {
    return this.#core.kernels.logits_best(this.#logits, this.#length);
  }

  /**
   * Indices of log-odds from `least` to `most` as f32, ascending; undefined for more than `limit`.
   * They are dead at the next call.
   */
  within(least: number, most: number, limit: number): Int32Array | undefined {
    const { kernels, memory } = this.#core;
    const room = Math.min(limit, this.#length);
    const count = kernels.logits_within(this.#kept, this.#logits, this.#length, least, most, room);
    return count > room ? undefined : new Int32Array(memory.buffer, this.#kept, count);
  }

  /**
   * Sets the sums of one or two polynomials by bucket, and counts if there are any to be set.
   * Returns the lowest of the log-odds from `least` up that have no bucket, or Infinity.
   */
  sums(
    [first, second]: readonly [Polynomial, Polynomial?],
    counts: Int32Array | undefined,
    least: number,
    { best, by, behind }: BucketScale,
  ): number {
    const { kernels, memory } = this.#core;
    const buckets = behind + 1;
    const sums = new Float64Array(memory.buffer, this.#sums, 2 * buckets).fill(0);
    const at = this.#sums + buckets * 16;
    const countsInMemory = new Int32Array(memory.buffer, at, buckets);
    if (counts) countsInMemory.fill(0);
    const lowest = kernels.logits_sums(
      this.#sums,
      second ? this.#sums + buckets * 8 : 0,
      counts ? at : 0,
      this.#logits,
      this.#length,
      best,
      by,
      behind,
      least,
      ...first.coefficients,
      ...(second ?? first).coefficients,
    );
    first.sums.set(sums.subarray(0, buckets));
    second?.sums.set(sums.subarray(buckets));
    counts?.set(countsInMemory);
    return lowest;
  }
}

let kernels: LogitsKernels | undefined;

/** The ones of this thread, whoever draws: no call of a sampler begins within another. */
export function logitsKernels(): LogitsKernels {
  kernels ??= new LogitsKernels();
  return kernels;
}
