// The threads beside this one that work on a backend's memory: they start with the first work that is worth it, and stop when told.
import Worker from 'web-worker';
import { holdProcess } from '../../runtime/worker.ts';
import type { Board, Call, ThreadStart } from './board.ts';
import type { Core } from './core.ts';

export class Team {
  readonly size: number;
  readonly #core: Core;
  readonly #board: Board;
  #workers: InstanceType<typeof Worker>[] = [];

  /** `board` is this thread's. */
  constructor(core: Core, board: Board, size: number) {
    this.size = size;
    this.#core = core;
    this.#board = board;
  }

  /** Makes calls, at most MOST_CALLS. */
  run(calls: readonly Call[]): void {
    this.#start();
    this.#board.run(calls);
  }

  #start(): void {
    if (this.#workers.length > 0) return;
    for (let thread = 1; thread < this.size; thread++) {
      const worker = new Worker(new URL('./thread.js', import.meta.url), { type: 'module', name: `recollect ${thread}` });
      // one that cannot start, or ends, leaves its work to the others
      worker.onerror = () => {};
      holdProcess(worker, false);
      worker.postMessage({ module: this.#core.module, memory: this.#core.memory, board: this.#board.buffer, thread } satisfies ThreadStart);
      this.#workers.push(worker);
    }
  }

  /** Sends the threads home; the next work starts others. */
  stop(): void {
    const workers = this.#workers;
    this.#workers = [];
    if (workers.length > 0 && !this.#board.dismiss()) for (const worker of workers) worker.terminate();
  }

  /** For tests: the threads at work. */
  get workers(): readonly InstanceType<typeof Worker>[] {
    return this.#workers;
  }
}
