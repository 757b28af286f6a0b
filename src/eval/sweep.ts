// Many setups on many conversations: units of work that finished ones are kept of, so that a sweep
// goes on where it was interrupted, and that several processes can share. A unit's result depends
// on its seed alone, not on who did it or when (but for its times).
import { hashText } from '../math/rng.ts';
import { bootstrapDifference, type Interval } from './bootstrap.ts';
import type { EvalSetup } from './evaluate.ts';
import type { DialogueResult, EvalResult } from './results.ts';
import { summarise } from './summary.ts';

/** One setup on one conversation. */
export interface Unit {
  readonly setup: number;
  readonly dialogue: number;
}

/** Does units, in any order, several at a time where it can. */
export interface Workers {
  readonly count: number;
  work(unit: Unit): Promise<DialogueResult>;
  /** Ends what was started for it. */
  stop?(): void;
}

/** Where finished units are kept: text that is only added to. */
export interface Journal {
  read(): Promise<string>;
  append(text: string): Promise<void>;
}

export interface Comparison {
  readonly a: string;
  readonly b: string;
  /** Accuracy of a less that of b, on the same questions. */
  readonly difference: Interval;
}

interface Line extends Unit {
  readonly sweep: string;
  readonly result: DialogueResult;
}

/** A name for a sweep that changes with whatever its results depend on. */
export function sweepKey(parts: unknown): string {
  const text = JSON.stringify(parts);
  return [0, 1].map((seed) => hashText(text, seed).toString(16)).join('');
}

/**
 * Runs all units and sums them up, a result a setup. Finished units are appended to `journal` as
 * JSON lines, and those that it already holds of this sweep are not done again; a line that was cut
 * off is. Rejects with the first unit's error; what was finished stays in the journal.
 */
export async function runSweep(
  key: string,
  setups: readonly EvalSetup[],
  dialogues: number,
  workers: Workers,
  journal: Journal | undefined,
  onProgress: (done: number, total: number, resumed: number) => void = () => {},
): Promise<EvalResult[]> {
  const done = new Map<string, DialogueResult>();
  const nameOf = ({ setup, dialogue }: Unit) => `${setup} ${dialogue}`;
  for (const line of journal ? linesOf(await journal.read()) : [])
    if (line.sweep === key) done.set(nameOf(line), line.result);
  const resumed = done.size;
  const units = setups.flatMap((_, setup) =>
    Array.from({ length: dialogues }, (__, dialogue): Unit => ({ setup, dialogue })),
  );
  const waiting = units.filter((unit) => !done.has(nameOf(unit)));
  onProgress(done.size, units.length, resumed);
  const work = async () => {
    for (let unit = waiting.shift(); unit; unit = waiting.shift()) {
      const result = await workers.work(unit);
      done.set(nameOf(unit), result);
      await journal?.append(`${JSON.stringify({ sweep: key, ...unit, result } satisfies Line)}\n`);
      onProgress(done.size, units.length, resumed);
    }
  };
  const all = await Promise.allSettled(Array.from({ length: workers.count }, work));
  const failed = all.find((r) => r.status === 'rejected');
  if (failed) throw failed.reason;
  return setups.map((_, setup) =>
    summarise(
      Array.from({ length: dialogues }, (__, dialogue) => done.get(nameOf({ setup, dialogue }))!),
    ),
  );
}

function linesOf(text: string): Line[] {
  return text.split('\n').flatMap((line) => {
    try {
      return line === '' ? [] : [JSON.parse(line) as Line];
    } catch {
      return []; // cut off when it was written
    }
  });
}

/** What tells a result from the others of a sweep, for people. */
export function labelOf(r: EvalResult): string {
  const parts = [
    r.policy,
    r.policy === 'full' ? '' : String(r.budget),
    r.heads === 'uniform' ? '' : r.heads,
    r.layers === 'uniform' ? '' : r.layers,
  ];
  return [
    ...parts,
    r.cacheType === 'f16' ? '' : r.cacheType,
    r.recall > 0 ? `recall ${r.recall}` : '',
  ]
    .filter((p) => p !== '')
    .join(' ');
}

/**
 * Every result against `full` of the same sweep, and against the best other result at its budget.
 */
export function compare(results: readonly EvalResult[]): Comparison[] {
  const right = (r: EvalResult) => r.answers.map((a) => (a.correct ? 1 : 0));
  const pair = (a: EvalResult, b: EvalResult): Comparison => ({
    a: labelOf(a),
    b: labelOf(b),
    difference: bootstrapDifference(right(a), right(b)),
  });
  const full = results.find((r) => r.policy === 'full');
  const others = results.filter((r) => r !== full);
  return others.flatMap((r) => {
    const rivals = others.filter((o) => o !== r && o.budget === r.budget);
    const best = rivals.sort((a, b) => b.accuracy - a.accuracy)[0];
    return [...(full ? [pair(r, full)] : []), ...(best ? [pair(r, best)] : [])];
  });
}
