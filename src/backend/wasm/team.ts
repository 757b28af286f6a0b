// The threads beside this one that work on a backend's memory: they start with the first work that
// is worth it, and stop when told.
import threadText from '#workers/thread.text';
import type { RuntimeWorker } from '../../runtime/runtime.ts';
import { startWorker } from '../../runtime/start-worker.ts';
import type { Board, ThreadStart } from './board.ts';
import type { Call } from './call.ts';
import type { Core } from './core.ts';

/**
 * Milliseconds for which a thread that was started and has not begun to work counts as one that
 * will.
 */
const START_MS = 10_000;

export class Team {
  readonly size: number;
  readonly #core: Core;
  readonly #board: Board;
  /** By their numbers. */
  readonly #workers = new Map<number, RuntimeWorker>();
  #startedAt = 0;
  #fallback?: string;
  /** Some thread has worked once. */
  #served = false;
  /** No thread could be started: none is tried again. */
  #alone = false;

  /** `board` is this thread's. */
  constructor(core: Core, board: Board, size: number) {
    this.size = size;
    this.#core = core;
    this.#board = board;
  }

  /**
   * Threads that work, this one included: those that could not be started, or ended, don't count.
   * Before there was work for them (and while they start), those that were asked for.
   */
  get running(): number {
    if (this.#alone) return 1;
    if (this.#startedAt === 0) return this.size;
    const starting = performance.now() - this.#startedAt < START_MS;
    let count = 1;
    for (const thread of this.#workers.keys()) if (starting || this.#board.serves(thread)) count++;
    return count;
  }

  /** Why fewer threads work than were asked for. */
  get fallback(): string | undefined {
    return this.#fallback;
  }

  /** Makes calls, at most MOST_CALLS. */
  run(calls: readonly Call[]): void {
    if (this.#startedAt === 0 && !this.#alone) this.#start();
    this.#board.run(calls);
  }

  #start(): void {
    this.#startedAt = performance.now();
    for (let thread = 1; thread < this.size; thread++) {
      let [begun, lost] = [false, false];
      const worker: RuntimeWorker = startWorker('thread', () => threadText, {
        heard() {},
        // one that cannot start, or ends, leaves its work to the others
        stopped: (why) => {
          if (!begun) lost = true;
          this.#lost(thread, why, begun ? worker : undefined);
        },
      });
      begun = true;
      if (lost) continue;
      this.#workers.set(thread, worker);
      worker.post({
        module: this.#core.module,
        memory: this.#core.memory,
        board: this.#board.buffer,
        thread,
      } satisfies ThreadStart);
    }
    this.#alone = this.#workers.size === 0 && !this.#served;
  }

  #lost(thread: number, why: string, worker?: RuntimeWorker): void {
    // sent home, and others may have started since
    if (worker && this.#workers.get(thread) !== worker) return;
    this.#workers.delete(thread);
    this.#served ||= this.#board.serves(thread);
    if (this.#fallback === undefined) {
      this.#fallback =
        `thread ${thread + 1} of ${this.size} stopped or could not be started ` +
        `(${why}): the others do its work`;
      console.warn(`recollect: ${this.#fallback}`);
    }
  }

  /** Sends the threads home; the next work starts others, if any of these could be started. */
  stop(): void {
    if (this.#startedAt === 0) return;
    this.#startedAt = 0;
    for (const thread of this.#workers.keys()) this.#served ||= this.#board.serves(thread);
    this.#alone = this.#workers.size === 0 && !this.#served;
    const workers = [...this.#workers.values()];
    this.#workers.clear();
    if (workers.length > 0 && !this.#board.dismiss())
      for (const worker of workers) worker.terminate();
  }

  /** For tests: threads beside this one that have begun to work. */
  get serving(): number {
    return [...this.#workers.keys()].filter((thread) => this.#board.serves(thread)).length;
  }

  /** For tests: the threads at work. */
  get workers(): readonly RuntimeWorker[] {
    return [...this.#workers.values()];
  }
}
