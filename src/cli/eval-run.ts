// An evaluation under way: who does its units, where finished ones are kept, and what is told while
// it runs.
import { readFile } from 'node:fs/promises';
import { runtime } from '#runtime';
import { identityOf } from '../model/adapter/spec.ts';
import type { Model } from '../engine/model.ts';
import type { Dialogue } from '../eval/datasets/dataset.ts';
import type { EvalSetup } from '../eval/evaluate.ts';
import type { DialogueResult, EvalResult } from '../eval/results.ts';
import { summarise } from '../eval/summary.ts';
import { type Journal, runSweep, sweepKey, type Unit, type Workers } from '../eval/sweep.ts';
import { resultTable } from '../eval/table.ts';
import { profileOf } from '../session/profile.ts';
import type { Terminal } from './command.ts';
import type { EvalValues } from './eval-options.ts';
import { hereWorkers, processWorkers } from './eval-workers.ts';
import { appendText } from './files.ts';
import { buildOf } from './load.ts';

/** What is measured. */
export interface Evaluation {
  /** The model's path or URL. */
  readonly input: string;
  readonly model: Model;
  readonly dialogues: readonly Dialogue[];
  readonly setups: readonly EvalSetup[];
}

/** What results of a model with adapters are told from others by; nothing for one without. */
const adaptersOf = ({ config: { adapters } }: Model) => (adapters ? [identityOf(adapters)] : []);

/** Measures all setups. What is finished when it is interrupted is kept, or told. */
export async function runEvaluation(
  evaluation: Evaluation,
  values: EvalValues,
  terminal: Terminal,
): Promise<EvalResult[]> {
  const { input, model, dialogues, setups } = evaluation;
  const partial = values.own.json && `${values.own.json}.partial`;
  const key = sweepKey({
    model: [input, model.bytes, buildOf(model), ...adaptersOf(model)],
    data: dialogues,
    setups,
  });
  const journal = partial === undefined ? undefined : await openJournal(partial);
  const workers = workersOf(evaluation, values, terminal);
  const finished = setups.map((): DialogueResult[] => []);
  const work = async (unit: Unit) => {
    const result = await workers.work(unit);
    finished[unit.setup].push(result);
    return result;
  };
  const onProgress = (done: number, total: number, resumed: number) => {
    if (done === resumed && resumed > 0)
      terminal.note(`going on with ${resumed} of ${total} conversations from ${partial}`);
    terminal.progress(`${done} of ${total} conversations`);
  };
  try {
    const shared = { ...workers, work };
    return await runSweep(key, setups, dialogues.length, shared, journal, onProgress);
  } catch (error) {
    if (terminal.signal.aborted) tellFinished(finished, dialogues.length, partial, terminal);
    throw error;
  } finally {
    workers.stop?.();
    terminal.progress('');
  }
}

/** Ends the record of what was finished: all of it is written elsewhere. */
export async function removeJournal(out: string): Promise<void> {
  // there is none where nothing had to be done
  await runtime.removeFile(`${out}.partial`).catch(() => {});
}

function workersOf(
  { input, model, dialogues, setups }: Evaluation,
  { own, load }: EvalValues,
  { signal, progress }: Terminal,
): Workers {
  if (own.processes > 1) {
    const job = { model: input, load, data: own.data, format: own.format, setups };
    return processWorkers(own.processes, job, signal);
  }
  return hereWorkers(model, dialogues, setups, signal, ({ setup, dialogue }, done) =>
    progress(
      `${setups[setup].policy}, setup ${setup + 1} of ${setups.length}, conversation ` +
        `${dialogue + 1}: ${done} questions`,
    ),
  );
}

/** After an interrupt: what there is of the results, and how to go on. */
function tellFinished(
  finished: readonly (readonly DialogueResult[])[],
  dialogues: number,
  partial: string | undefined,
  terminal: Terminal,
): void {
  if (partial !== undefined) {
    terminal.note(`interrupted: the same command goes on from ${partial}`);
    return;
  }
  const whole = finished.filter((results) => results.length === dialogues).map(summarise);
  if (whole.length > 0) terminal.print(resultTable(whole, terminal.columns));
  const done = finished.reduce((n, results) => n + results.length, 0);
  terminal.note(
    `interrupted: ${done} of ${finished.length * dialogues} conversations were done; with ` +
      `--json OUT they are kept, and the same command goes on`,
  );
}

/** The model's profile, computed on the first conversation where none is stored. */
export async function sensitivityOf(
  model: Model,
  dialogues: readonly Dialogue[],
  terminal: Terminal,
): Promise<readonly number[]> {
  const text = dialogues[0].turns.map((t) => t.line).join('');
  const { profile, stored } = await profileOf(model, text, {
    signal: terminal.signal,
    onProgress: (done, total) => terminal.progress(`profiling layers: ${done} of ${total} tokens`),
  });
  terminal.progress('');
  if (stored) terminal.note(`layer sensitivities: ${stored}`);
  return profile.similarity;
}

/**
 * A file that is begun now where there is none, so that a place that cannot be written is found out
 * before the work.
 */
async function openJournal(path: string): Promise<Journal> {
  await appendText(path, '');
  return { read: () => readFile(path, 'utf8'), append: (text) => appendText(path, text) };
}
