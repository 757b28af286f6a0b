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
  let worker: RuntimeWorker | undefined;
  let [greeted, ended, held] = [false, false, false];
  const sent: Message[] = [];
  let waiting: Message[] = [];

  const end = (why: string) => {
    if (ended) return;
    ended = true;
    waiting = [];
    events.stopped(why);
  };
  const listen = (failed: (why: string) => void): WorkerEvents => ({
    heard(data) {
      if (ended) return;
      if (data !== HELLO) return events.heard(data);
      greeted = true;
      sent.length = 0;
      for (const message of waiting.splice(0)) worker?.post(message.data, message.transfer);
    },
    stopped: (why) => (greeted ? end(why) : failed(why)),
  });
  const use = (started: RuntimeWorker) => {
    worker = started;
    started.hold(held);
    for (const { data } of sent) started.post(data);
  };
  const attempt = (
    start: (on: WorkerEvents) => RuntimeWorker,
    otherwise: (why: string) => void,
  ) => {
    let current = true;
    const failed = (why: string) => {
      if (!current || ended) return;
      current = false;
      worker?.terminate();
      worker = undefined;
      otherwise(why);
    };
    try {
      use(start(listen(failed)));
    } catch (error) {
      failed((error as Error).message);
    }
  };
  const fromText = (text: string, first: string) =>
    attempt(
      (on) => runtime.startText(text, on),
      (why) => end(why === first ? why : `${first}; from its text: ${why}`),
    );
  attempt(
    (on) => runtime.startWorker(kind, on),
    (why) => {
      const text = textOf();
      if (typeof text === 'string') fromText(text, why);
      else
        text.then(
          (found) => !ended && fromText(found, why),
          () => end(why),
        );
    },
  );

  return {
    post(data, transfer = []) {
      if (ended) return;
      if (greeted) worker?.post(data, transfer);
      else if (waiting.length > 0 || transfer.length > 0) waiting.push({ data, transfer });
      else {
        sent.push({ data, transfer });
        worker?.post(data);
      }
    },
    terminate() {
      worker?.terminate();
      end('it was terminated');
    },
    hold(now) {
      held = now;
      worker?.hold(now);
    },
  };
}
