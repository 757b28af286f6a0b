// Waiting for the network: no longer than a limit, and not a moment longer once the load is
// aborted.
import { Fault, TRY_LATER } from './faults.ts';

/** setTimeout's largest; it fires at once beyond. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Waits for one thing at a time. */
export class Wait {
  readonly #signal?: AbortSignal;
  readonly #abort = () => this.#interrupt?.(this.#signal?.reason);
  /** Ends the wait under way. */
  #interrupt?: (reason: unknown) => void;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
    signal?.addEventListener('abort', this.#abort);
  }

  /**
   * Waits for a promise. After `ms` milliseconds throws a Fault, of which `missing` says what did
   * not come; `late` hears what comes after that.
   */
  until<T>(
    promise: Promise<T>,
    ms: number,
    missing: string,
    late?: (value: T) => void,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const stalled = () => reject(new Fault(`${missing} for ${ms} ms`, 'always', TRY_LATER));
      const end = this.#begin(ms, stalled, reject);
      promise.then(
        (value) => (end() ? resolve(value) : late?.(value)),
        (error) => end() && reject(error),
      );
    });
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve, reject) => void this.#begin(ms, resolve, reject));
  }

  close(): void {
    this.#signal?.removeEventListener('abort', this.#abort);
  }

  /**
   * Begins a wait that calls `passed` after `ms`, or `aborted`. The function that it gives ends the
   * wait before that, and tells whether it was still under way.
   */
  #begin(ms: number, passed: () => void, aborted: (reason: unknown) => void): () => boolean {
    let over = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = () => {
      if (over) return false;
      over = true;
      clearTimeout(timer);
      this.#interrupt = undefined;
      return true;
    };
    const endWith = (act: () => void) => {
      if (end()) act();
    };
    if (ms !== Number.POSITIVE_INFINITY)
      timer = setTimeout(() => endWith(passed), Math.min(ms, LONGEST_TIMER_MS));
    this.#interrupt = (reason) => endWith(() => aborted(reason));
    if (this.#signal?.aborted) this.#abort();
    return end;
  }
}
