// Whether and when a download tries again: longer waits from try to try, and ends to all of it.
import type { Again, Fault } from './faults.ts';

/** The longest wait between two tries, and the longest that a server may ask for. */
export const LONGEST_DELAY_MS = 60_000;
/** Without a byte for so long a load fails, however many tries are left. */
const LONGEST_OUTAGE_MS = 10 * 60_000;
/** Tries of one load, bytes between them or not: a server that sends one a connection ends. */
const MOST_RETRIES = 1000;
/** Times in a row that a whole answer may end at the same byte before that is the file's end. */
const MOST_SAME_ENDS = 2;

export class Retries {
  /** Tries again since bytes last came. */
  attempt = 0;
  /** Most of them, and milliseconds before the first. */
  readonly #most: number;
  readonly #delayMs: number;
  #all = 0;
  #sameEnds = 0;
  #progressAt = performance.now();

  constructor(most: number, delayMs: number) {
    this.#most = most;
    this.#delayMs = delayMs;
  }

  /** Bytes came. */
  progress(): void {
    this.attempt = 0;
    this.#sameEnds = 0;
    this.#progressAt = performance.now();
  }

  /** The whole file came again, and ended where it had ended before. */
  endedAgain(): void {
    this.#sameEnds++;
  }

  /** Whether it ends there every time: that is no accident. */
  get endsThere(): boolean {
    return this.#sameEnds >= MOST_SAME_ENDS;
  }

  /**
   * Counts a try again and gives the milliseconds until it; undefined where none is worth it.
   * `answered`: whether a server has answered before.
   */
  next({ again, waitMs = 0 }: Fault, answered: boolean): number | undefined {
    const most: Record<Again, number> = {
      always: this.#most,
      later: answered ? this.#most : 0,
      once: answered ? this.#most : Math.min(this.#most, 1),
      never: 0,
    };
    const backoff = Math.min(LONGEST_DELAY_MS, this.#delayMs * 2 ** this.attempt);
    const delayMs = Math.max(waitMs, Math.round(backoff * (0.5 + Math.random() / 2)));
    const outage = performance.now() - this.#progressAt + delayMs;
    if (
      this.attempt >= most[again] ||
      this.#all >= MOST_RETRIES ||
      this.endsThere ||
      delayMs > LONGEST_DELAY_MS ||
      outage > LONGEST_OUTAGE_MS
    )
      return undefined;
    this.attempt++;
    this.#all++;
    return delayMs;
  }
}
