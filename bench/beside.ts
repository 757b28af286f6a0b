// Whole engines in turn on one model file: a prompt and a reply, with one thread and with two.
import type { Model } from '../src/engine/model.ts';
import type { Measurement } from './case.ts';
import { ownEngine } from './own-engine.ts';
import { inTurn, openNative, openWllama } from './peers/engines.ts';
import type { EngineRate, EngineTask, OpenEngine } from './task.ts';

export const THREADS = [1, 2];

/** What is measured of a file's model. */
export interface SideBySide extends Omit<EngineTask, 'threads'> {
  readonly rounds: number;
  /**
   * Share of prompt and reply that wllama does: all of a large model would take it minutes, and
   * what it leaves out is the slower part, as later tokens look at more. Default 1.
   */
  readonly wllamaShare?: number;
}

/** The peers that are installed, with the task's model. */
async function openPeers(task: EngineTask, share: number): Promise<OpenEngine[]> {
  const part = { ...task, prompt: task.prompt * share, reply: task.reply * share };
  const opened = [await openNative(task), await openWllama(part)];
  return opened.filter((engine) => engine !== undefined);
}

/**
 * Reports rates of the file's model, loaded once for each of THREADS, and of the peers that are
 * installed, round by round; `name` is put before what was done.
 */
export async function besideOthers(
  report: (m: Measurement) => void,
  models: readonly Model[],
  { rounds, wllamaShare = 1, ...task }: SideBySide,
  name = '',
): Promise<void> {
  let alone: EngineRate | undefined;
  for (const [i, threads] of THREADS.entries()) {
    const engines = [
      ownEngine(models[i], task),
      ...(await openPeers({ ...task, threads }, wllamaShare)),
    ];
    const [own, ...others] = await inTurn(engines, rounds);
    for (const engine of engines) await engine.close();
    alone ??= own;
    for (const what of ['prefill', 'decode'] as const) {
      const count = what === 'prefill' ? task.prompt : task.reply;
      report({
        name: `${name}${what} ${count}, ${threads} thread${threads > 1 ? 's' : ''}`,
        rate: own[what],
        unit: 'tokens/s',
        peers: others.map((rate, j) => ({ name: engines[j + 1].name, rate: rate[what] })),
        note: threads > 1 ? `${(own[what] / alone[what]).toFixed(2)} x one thread` : undefined,
      });
    }
  }
}
