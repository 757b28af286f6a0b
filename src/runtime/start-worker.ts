// Starting a worker whatever became of its file: a bundler may have moved this code and left the
// worker's behind, or a page may load it from another origin. Its text, which the package also
// holds, is then started instead.
import { runtime } from '#runtime';
import { HELLO } from './hello.ts';
import type { RuntimeWorker, WorkerEvents, WorkerKind } from './runtime.ts';

interface Message {
  readonly data: unknown;
  readonly transfer: readonly object[];
}

/**
 * Starts a worker from its file, else from its text. `stopped` is called once, when both failed or
 * when it stopped later. Messages without transfer go out at once (and again to the second
 * attempt); one with transfer, and those behind it, wait until the worker has said hello: what was
 * transferred to one that never starts would be lost.
 */
export function startWorker(
  kind: WorkerKind,
  textOf: () => string | Promise<string>,
  events: WorkerEvents,
): RuntimeWorker {
  return new StartedWorker(kind, textOf, events);
}

class StartedWorker implements RuntimeWorker {
  readonly #events: WorkerEvents;
  /** The attempt that is under way, or that succeeded. */
  #worker: RuntimeWorker | undefined;
  #greeted = false;
  #ended = false;
  #held = false;
  /** Before it has said hello: what was posted to it, and what waits for that. */
  readonly #sent: Message[] = [];
  #waiting: Message[] = [];

  constructor(kind: WorkerKind, textOf: () => string | Promise<string>, events: WorkerEvents) {
    this.#events = events;
    this.#attempt(
      (on) => runtime.startWorker(kind, on),
      (why) => {
        const text = textOf();
        if (typeof text === 'string') this.#startText(text, why);
        else
          text.then(
            (found) => !this.#ended && this.#startText(found, why),
            () => this.#end(why),
          );
      },
    );
  }

  post(data: unknown, transfer: readonly object[] = []): void {
    if (this.#ended) return;
    if (this.#greeted) this.#worker?.post(data, transfer);
    else if (this.#waiting.length > 0 || transfer.length > 0)
      this.#waiting.push({ data, transfer });
    else {
      this.#sent.push({ data, transfer });
      this.#worker?.post(data);
    }
  }

  terminate(): void {
    this.#worker?.terminate();
    this.#end('it was terminated');
  }

  hold(held: boolean): void {
    this.#held = held;
    this.#worker?.hold(held);
  }

  /** `first`: why it could not be started from its file. */
  #startText(text: string, first: string): void {
    this.#attempt(
      (on) => runtime.startText(text, on),
      (why) => this.#end(why === first ? why : `${first}; from its text: ${why}`),
    );
  }

  /** Starts it one way, or goes on another one where that fails. */
  #attempt(start: (on: WorkerEvents) => RuntimeWorker, otherwise: (why: string) => void): void {
    let current = true;
    const failed = (why: string) => {
      if (!current || this.#ended) return;
      current = false;
      this.#worker?.terminate();
      this.#worker = undefined;
      otherwise(why);
    };
    try {
      const worker = start(this.#listen(failed));
      this.#worker = worker;
      worker.hold(this.#held);
      for (const { data } of this.#sent) worker.post(data);
    } catch (error) {
      failed((error as Error).message);
    }
  }

  #listen(failed: (why: string) => void): WorkerEvents {
    return {
      heard: (data) => {
        if (this.#ended) return;
        if (data !== HELLO) return this.#events.heard(data);
        this.#greeted = true;
        this.#sent.length = 0;
        for (const message of this.#waiting.splice(0))
          this.#worker?.post(message.data, message.transfer);
      },
      stopped: (why) => (this.#greeted ? this.#end(why) : failed(why)),
    };
  }

  #end(why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#waiting = [];
    this.#events.stopped(why);
  }
}
