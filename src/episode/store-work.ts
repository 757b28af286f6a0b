// What is under way in a store, so that it can be cleared for good: nothing is stored or read
// beyond that.
import { StoreError } from '../errors.ts';

const closedError = () =>
  new StoreError('the conversation was disposed of, and its stored episodes with it');

/** The puts and gets of one store. */
export class StoreWork {
  readonly #running = new Set<Promise<unknown>>();
  closed = false;

  /** Throws where the store was cleared. */
  check(): void {
    if (this.closed) throw closedError();
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    this.check();
    const promise = work();
    this.#running.add(promise);
    try {
      return await promise;
    } finally {
      this.#running.delete(promise);
    }
  }

  /** Nothing begins any more; waits for what has. */
  async close(): Promise<void> {
    this.closed = true;
    while (this.#running.size > 0) await Promise.allSettled([...this.#running]);
  }
}
