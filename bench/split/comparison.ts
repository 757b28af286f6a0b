// Which trainings the codecs are compared by, and running them.
import type { SplitCodecOptions } from '../../src/split/codec-options.ts';
import { stepsPerEpoch } from '../../src/train/batches.ts';
import { type Course, courses, tasksFor } from './task-lines.ts';
import {
  type Halves,
  loadHalves,
  type Measured,
  runTrial,
  type Task,
  type TrialResult,
} from './task-trial.ts';
import { CUT, tiny, turnedTiny } from './turned-tiny.ts';

export const modelNames = ['bundled', 'turned'] as const;
export type ModelName = (typeof modelNames)[number];

/** A codec under the name of its row, bits apart. */
export interface Entry {
  readonly name: string;
  readonly options: SplitCodecOptions;
  /** Only on this model. Default: on both. */
  readonly model?: ModelName;
}

/** What gates learn with here: with the defaults all channels fall alike in so few steps. */
const LEARNED = { gateRate: 0.2, gateWeight: 0.1 };

/** Every codec with options of its own; `none` is what they are compared with. */
export const entries: readonly Entry[] = [
  { name: 'tensor', options: { codec: 'tensor' } },
  { name: 'group', options: { codec: 'group' }, model: 'bundled' },
  { name: 'channel', options: { codec: 'channel' } },
  { name: 'aq-sgd', options: { codec: 'aq-sgd' }, model: 'bundled' },
  { name: 'moved', options: { codec: 'moved' }, model: 'bundled' },
  { name: 'amaq', options: { codec: 'amaq', ...LEARNED } },
  { name: 'amaq, default rate', options: { codec: 'amaq' } },
  { name: 'amaq-moved', options: { codec: 'amaq-moved', ...LEARNED }, model: 'bundled' },
];

/** AMAQ in other forms. */
export const variants: readonly Entry[] = [
  { name: 'amaq, linear penalty', options: { codec: 'amaq', ...LEARNED, gatePenalty: 'linear' } },
  { name: 'amaq, by token', options: { codec: 'amaq', ...LEARNED, byToken: true } },
];

/** Thresholds of activations and of gradients, for what is sent from the third epoch on. */
export const thresholds = [
  [0.1, 0],
  [0.3, 0.5],
  [0.5, 1],
  [0.7, 1.5],
  [1, 2],
] as const;

export const movedEntries: readonly Entry[] = thresholds.map(([threshold, gradientThreshold]) => ({
  name: `${threshold} / ${gradientThreshold}`,
  options: { codec: 'moved', threshold, gradientThreshold },
  model: 'bundled',
}));

/** Long enough for a third epoch. */
export const longCourses: Readonly<Record<string, Course>> = {
  'new facts': { ...courses['new facts'], epochs: 12 },
  'a classifier': { ...courses['a classifier'], lines: 96, epochs: 5 },
};

/** Which training it is. */
interface Named {
  readonly part: string;
  readonly model: ModelName;
  readonly task: string;
  readonly codec: string;
  readonly bits: number;
  readonly seed: number;
}

/** A training that was made. */
export interface Trial extends Named {
  readonly isFinite: boolean;
  /** Mean loss a token of the steps' last tenth. */
  readonly lastLoss: number;
  /** The highest mean loss of ten steps, behind the first ten. */
  readonly highestLoss: number;
  /** Mean bytes of a step's messages: of all, of the last half, and from the third epoch on. */
  readonly bytes: readonly [all: number, half: number, third: number];
  readonly plainBytes: readonly [all: number, half: number, third: number];
  readonly whole: Measured;
  readonly split: Measured;
  readonly channelBits: readonly number[];
}

export interface Comparison {
  readonly part: string;
  readonly courses: Readonly<Record<string, Course>>;
  readonly models: readonly ModelName[];
  readonly entries: readonly Entry[];
  readonly bits: readonly number[];
  readonly seeds: readonly number[];
}

const mean = (x: readonly number[]) => x.reduce((sum, v) => sum + v, 0) / Math.max(1, x.length);

const keyOf = (t: Named) => [t.part, t.model, t.task, t.codec, t.bits, t.seed].join('|');

/** Pieces of what was counted in each step. */
const pieces = (x: readonly number[], third: number) =>
  [mean(x), mean(x.slice(x.length >> 1)), mean(x.slice(third))] as const;

function summary(task: Task, result: TrialResult): Omit<Trial, keyof Named> {
  const { losses, bytes, plainBytes, whole, split, bits } = result;
  const third = 2 * stepsPerEpoch(task.learned.length, task.batch);
  const tens = losses.slice(10).map((_, i) => mean(losses.slice(i + 1, i + 11)));
  return {
    isFinite: result.isFinite,
    lastLoss: mean(losses.slice(-Math.ceil(losses.length / 10))),
    highestLoss: Math.max(...tens),
    bytes: pieces(bytes, third),
    plainBytes: pieces(plainBytes, third),
    ...{ whole, split, channelBits: bits },
  };
}

/** Runs what is not among `done` yet, a seed at a time; calls `made` for each. */
export async function compare(
  wanted: Comparison,
  done: readonly Trial[],
  made: (trial: Trial) => void,
): Promise<void> {
  const known = new Set(done.map(keyOf));
  const halves = new Map<ModelName, Halves>();
  for (const model of wanted.models)
    halves.set(model, await loadHalves(model === 'bundled' ? tiny : await turnedTiny(), CUT));
  for (const seed of wanted.seeds)
    for (const [model, both] of halves)
      for (const task of tasksFor(both.client, wanted.courses))
        for (const { name, options, bits } of codecsOn(wanted, model)) {
          const named = { part: wanted.part, model, task: task.name, codec: name, bits, seed };
          if (known.has(keyOf(named))) continue;
          made({ ...named, ...summary(task, await runTrial(both, task, seed, options)) });
        }
  for (const both of halves.values()) both.dispose();
}

/** The codecs of a comparison on a model, f32 first. */
function codecsOn({ entries: all, bits }: Comparison, model: ModelName) {
  const own = all.filter((entry) => (entry.model ?? model) === model);
  const at = (b: number) =>
    own.map(({ name, options }) => ({ name, options: { ...options, bits: b }, bits: b }));
  return [{ name: 'none', options: { codec: 'none' } as const, bits: 32 }, ...bits.flatMap(at)];
}
