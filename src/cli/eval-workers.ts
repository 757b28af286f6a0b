// Who does an evaluation's units: this process, or several of eval-process.ts.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { DeviceError, errorOf, type Failure } from '../errors.ts';
import type { Dialogue } from '../eval/datasets/dataset.ts';
import { type EvalSetup, evaluateDialogue } from '../eval/evaluate.ts';
import type { DialogueResult } from '../eval/results.ts';
import type { Unit, Workers } from '../eval/sweep.ts';
import type { Model } from '../engine/model.ts';
import type { Job } from './eval-process.ts';

/** This process alone, with progress by question. */
export function hereWorkers(
  model: Model,
  dialogues: readonly Dialogue[],
  setups: readonly EvalSetup[],
  signal: AbortSignal,
  onProgress: (unit: Unit, done: number) => void,
): Workers {
  return {
    count: 1,
    work: (unit) =>
      evaluateDialogue(model, dialogues[unit.dialogue], setups[unit.setup], {
        signal,
        onProgress: (done) => onProgress(unit, done),
      }),
  };
}

interface Message {
  readonly ready?: true;
  readonly result?: DialogueResult;
  readonly error?: Failure;
}

/**
 * `count` processes, each with the model in memory. A process that dies rejects its unit. stop()
 * ends them.
 */
export function processWorkers(count: number, job: Job, signal: AbortSignal): Workers {
  const script = fileURLToPath(new URL('./eval-process.js', import.meta.url));
  const children = Array.from({ length: count }, () =>
    fork(script, [JSON.stringify(job)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }),
  );
  const next = (child: ChildProcess) =>
    new Promise<Message>((resolve, reject) => {
      const end = (work: () => void) => {
        child.off('message', onMessage).off('exit', onExit);
        signal.removeEventListener('abort', onAbort);
        work();
      };
      const onMessage = (message: Message) => end(() => resolve(message));
      const onExit = (code: number | null, name: string | null) =>
        end(() =>
          reject(
            new DeviceError(
              `a process of the evaluation ended with ${code ?? name}: does memory hold ` +
                `--processes ${count} models?`,
            ),
          ),
        );
      const onAbort = () => end(() => reject(signal.reason));
      child.on('message', onMessage).on('exit', onExit);
      signal.addEventListener('abort', onAbort);
      if (signal.aborted) onAbort();
    });
  const idle = children.map((child) => ({ child, ready: next(child) }));
  // one that fails before it is given anything to do says so when it is
  for (const { ready } of idle) ready.catch(() => {});
  return {
    count,
    async work(unit) {
      const worker = idle.shift()!;
      await worker.ready;
      const answer = next(worker.child);
      worker.child.send(unit);
      const { result, error } = await answer;
      idle.push({ child: worker.child, ready: Promise.resolve({}) });
      if (error) throw errorOf(error);
      return result!;
    },
    stop() {
      for (const child of children) child.kill();
    },
  };
}
