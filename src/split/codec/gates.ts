// AMAQ's gates (arXiv 2510.05468; docs/algorithms.md, 'Learned bits'): a number Q of each channel,
// or of each position, whose sigmoid says how many bits it gets. They begin near the most, hold it
// while the task warms up, fall while the penalty acts, and freeze as whole bits at the target.
import { OptionError } from '../../errors.ts';
import { apportion } from '../../math/apportion.ts';
import { type Lanes, bitsGradient } from './bits-gradient.ts';

export interface GateOptions {
  /** Bits on average that gates fall to. Default 4. */
  readonly target?: number;
  /** Fewest and most bits of a channel: whole numbers. Default 2 and 8. */
  readonly least?: number;
  readonly most?: number;
  /** How steep bits are in Q. Default 1. */
  readonly alpha?: number;
  /** What the penalty weighs beside the task's loss. Default 1. */
  readonly beta?: number;
  /** Default 'squared': mean(sigmoid^2). 'linear': mean(bits) / most. */
  readonly penalty?: 'squared' | 'linear';
  /** AdamW's rate for Q. Default 0.05. */
  readonly rate?: number;
  /** Steps at the most bits before gates learn. Default 10. */
  readonly warmup?: number;
  /** Step at which gates freeze whatever their average. Default: none. */
  readonly freezeAt?: number;
}

/** What gates are at after a step. */
export interface GateReport {
  readonly step: number;
  readonly isFrozen: boolean;
  /** Mean of the real bits, and of the whole ones that are sent. */
  readonly realBits: number;
  readonly wholeBits: number;
  /** Mean of |whole - real|: what rounding to whole bits changes. */
  readonly rounding: number;
}

export interface GateState {
  readonly step: number;
  readonly isFrozen: boolean;
  readonly q: Float64Array;
  readonly m: Float64Array;
  readonly v: Float64Array;
}

const [BETA1, BETA2, EPSILON] = [0.9, 0.999, 1e-12];
/** Sigmoid that gates begin with: near the most, where its slope is still 0.09. */
const FIRST_SIGMOID = 0.9;

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const mean = (numbers: ArrayLike<number>) =>
  (Array.prototype.reduce.call(numbers, (sum, x) => (sum as number) + (x as number), 0) as number) /
  numbers.length;

export class Gates {
  readonly #how: Required<GateOptions>;
  readonly #gradient: Float64Array;
  #q: Float64Array;
  #m: Float64Array;
  #v: Float64Array;
  #step = 0;
  #isFrozen = false;

  /** Throws OptionError where the target is not between the fewest and the most bits. */
  constructor(count: number, options: GateOptions = {}) {
    const how = {
      target: 4,
      least: 2,
      most: 8,
      alpha: 1,
      beta: 1,
      penalty: 'squared' as const,
      rate: 0.05,
      warmup: 10,
      freezeAt: Number.POSITIVE_INFINITY,
      ...options,
    };
    const { least, most, target } = how;
    const isWhole = Number.isInteger(least) && Number.isInteger(most) && least >= 1 && most <= 8;
    if (!isWhole || !(target >= least && target <= most))
      throw new OptionError(
        `bits are ${target} on average, ${least} to ${most} a channel, expected whole numbers ` +
          'from 1 to 8 and an average between them',
      );
    this.#how = how;
    this.#gradient = new Float64Array(count);
    const first = Math.log(FIRST_SIGMOID / (1 - FIRST_SIGMOID)) / how.alpha;
    this.#q = new Float64Array(count).fill(first);
    this.#m = new Float64Array(count);
    this.#v = new Float64Array(count);
  }

  get #isWarm(): boolean {
    return this.#step >= this.#how.warmup;
  }

  /** Bits as they are learned. */
  get real(): Float64Array {
    const { least, most, alpha } = this.#how;
    if (!this.#isWarm) return new Float64Array(this.#q.length).fill(most);
    return this.#q.map((q) => least + (most - least) * sigmoid(alpha * q));
  }

  /**
   * Bits as they are sent: the nearest whole ones, and once frozen those whose sum is the target
   * times their number, rounded down.
   */
  get whole(): Uint8Array {
    const { least, most, target } = this.#how;
    const real = this.real;
    if (!this.#isFrozen) return Uint8Array.from(real, (bits) => Math.round(bits));
    const total = Math.floor(target * real.length + 1e-9);
    return Uint8Array.from(apportion(total, Array.from(real), least, most));
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  report(): GateReport {
    const [real, whole] = [this.real, this.whole];
    return {
      step: this.#step,
      isFrozen: this.#isFrozen,
      realBits: mean(real),
      wholeBits: mean(whole),
      rounding: mean(real.map((bits, i) => Math.abs(bits - whole[i]))),
    };
  }

  /** Adds what a micro-batch's activations x and the loss's gradient dx say about bits. */
  learn(x: Float32Array, dx: Float32Array, lanes: Lanes): void {
    if (this.#isFrozen || !this.#isWarm) return;
    bitsGradient(this.#gradient, x, dx, this.real, lanes);
  }

  /** Ends a step: Q moves against the gradient of loss and penalty. */
  step(): void {
    const { target, freezeAt } = this.#how;
    if (this.#isWarm && !this.#isFrozen) this.#move();
    this.#step++;
    this.#isFrozen ||= this.#isWarm && (mean(this.real) <= target + 1e-9 || this.#step >= freezeAt);
  }

  #move(): void {
    const { alpha, beta, least, most, penalty, rate, warmup } = this.#how;
    const count = this.#q.length;
    const t = this.#step - warmup + 1;
    for (const [i, q] of this.#q.entries()) {
      const s = sigmoid(alpha * q);
      const slope = alpha * s * (1 - s); // of s in Q
      const toll = penalty === 'squared' ? 2 * s : (most - least) / most;
      const g = (this.#gradient[i] * (most - least) + (beta / count) * toll) * slope;
      this.#m[i] = BETA1 * this.#m[i] + (1 - BETA1) * g;
      this.#v[i] = BETA2 * this.#v[i] + (1 - BETA2) * g * g;
      const root = Math.sqrt(this.#v[i] / (1 - BETA2 ** t));
      this.#q[i] = q - (rate * this.#m[i]) / (1 - BETA1 ** t) / (root + EPSILON);
    }
    this.#gradient.fill(0);
  }

  /** Forgets what was learned since the last step. */
  clear(): void {
    this.#gradient.fill(0);
  }

  save(): GateState {
    const [q, m, v] = [this.#q, this.#m, this.#v].map((numbers) => numbers.slice());
    return { step: this.#step, isFrozen: this.#isFrozen, q, m, v };
  }

  /** Goes on from what save() gave, between two steps. */
  restore({ step, isFrozen, q, m, v }: GateState): void {
    const count = this.#q.length;
    const found = [q, m, v].find((numbers) => numbers.length !== count);
    if (found)
      throw new OptionError(
        `gates of ${found.length} channels, expected ${count}: they are of another model`,
      );
    [this.#q, this.#m, this.#v] = [q, m, v].map((numbers) => numbers.slice());
    [this.#step, this.#isFrozen] = [step, isFrozen];
    this.clear();
  }
}
