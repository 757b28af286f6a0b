// Trains a model on lines of text: checks everything, plans its bytes, and goes on step by step.
import { readModel, type Model } from '../engine/model.ts';
import { OptionError } from '../errors.ts';
import { settle } from '../options/table.ts';
import { type Example, linesOf, stepsPerEpoch } from './batches.ts';
import { readCheckpoint, type TrainingRecord, writeCheckpoint } from './checkpoint.ts';
import { type Lines, readExamples, splitHeldOut, type TrainingLine } from './data.ts';
import { identityOf } from './identity.ts';
import { type TrainOptions, trainTable } from './options.ts';
import { planTraining, type TrainingPlan } from './plan.ts';
import type { TrainingReport, TrainingResult } from './report.ts';
import { fullSetup, loraSetup, networkOf, type Setup } from './setup.ts';
import { type Trained, trainedOf } from './trained.ts';
import { type Ending, Trainer, type TrainerOptions } from './trainer.ts';
import { enter } from './turns.ts';

export type { Lines };
export type Settled = ReturnType<typeof settled>;
export const settled = (options: TrainOptions) => settle('train', options, trainTable);

export function readLines(
  model: Pick<Model, 'config' | 'tokenizer' | 'chatTemplate'>,
  lines: readonly unknown[],
  file: string,
  options: Pick<Settled, 'loss' | 'heldOut' | 'seed' | 'length'>,
): Lines {
  const { loss, heldOut, seed } = options;
  const { contextLength } = model.config;
  const length = Math.min(options.length ?? contextLength, contextLength);
  const examples = readExamples(model, lines, { loss, length, file });
  if (examples.length === 0) throw new OptionError(`${file} has no lines: give some to learn from`);
  return splitHeldOut(examples, heldOut, seed);
}

/** What the adapter's part is multiplied by, times its rank. */
export const alphaOf = ({ rank, alpha }: { rank: number; alpha?: number | undefined }) =>
  alpha ?? 2 * rank;

const setupOf = (model: Model, { method, rank, alpha, targets, seed }: Settled): Setup =>
  method === 'full'
    ? fullSetup(networkOf(model))
    : loraSetup(networkOf(model), { rank, alpha: alphaOf({ rank, alpha }), targets }, seed);

/** What a training is about to do: known before it starts. */
export interface PreparedTraining {
  readonly plan: TrainingPlan;
  readonly steps: number;
  readonly learnedLines: number;
  readonly heldOutLines: number;
  /** Numbers that are trained. */
  readonly parameters: number;
  /** Trains. */
  run(): Promise<Trained>;
}

/**
 * Checks lines and options, and plans. Nothing is reserved yet.
 *
 * Throws OptionError for options and for lines, naming them; BudgetError where the longest line
 * does not fit into `memory`; UnsupportedError where the model cannot be trained.
 */
export function prepareTraining(
  model: Model,
  lines: readonly TrainingLine[] | readonly unknown[],
  given: TrainOptions = {},
  file = 'data',
): PreparedTraining {
  const { ended } = readModel(model).executor;
  if (ended) throw ended;
  const options = settled(given);
  const setup = setupOf(model, options);
  const data = readLines(model, lines, file, options);
  const { learned, heldOut } = data;
  const steps = options.steps ?? options.epochs * stepsPerEpoch(learned.length, options.batch);
  const longest = [...learned, ...heldOut].reduce((a, b) =>
    b.tokens.length > a.tokens.length ? b : a,
  );
  const { backend, config, weights } = networkOf(model);
  const plan = planTraining({
    config,
    range: weights,
    backend,
    parameterBytes: setup.bytes,
    longest: longest.tokens.length,
    longestLine: longest.line,
    stepTokens: stepTokens(learned, options.batch),
    rank: setup.rank,
    memory: Number(options.memory ?? MEMORY),
  });
  return {
    plan,
    steps,
    learnedLines: linesOf(learned),
    heldOutLines: linesOf(heldOut),
    parameters: setup.count,
    run: () => runTraining(model, data, options, { setup, plan, steps }),
  };
}

/**
 * Trains an adapter for a model (or, with method 'full', its weights) on lines of text or messages,
 * within `memory` bytes beside it.
 *
 *     const { adapter } = await train(model, [{ text: '...' }, ...], { rank: 8 });
 *
 * Throws OptionError for options and for lines, naming them, BudgetError where the longest line
 * does not fit, UnsupportedError where the model cannot be trained, DeviceError where memory ends
 * or numbers leave what f32 holds, the signal's reason when aborted. The model is as before, but
 * for method 'full', which leaves it trained so far.
 */
export async function train(
  model: Model,
  lines: readonly TrainingLine[],
  options: TrainOptions = {},
): Promise<Trained> {
  return prepareTraining(model, lines, options).run();
}

/** Tokens of the largest step there can be. */
export function stepTokens(examples: readonly Example[], batch: number): number {
  const lengths = examples.map(({ tokens }) => tokens.length).sort((a, b) => b - a);
  return lengths.slice(0, batch).reduce((a, b) => a + b, 0);
}

interface Prepared {
  readonly setup: Setup;
  readonly plan: TrainingPlan;
  readonly steps: number;
}

async function runTraining(
  model: Model,
  lines: Lines,
  options: Settled,
  { setup, plan, steps }: Prepared,
): Promise<Trained> {
  const signal: Ending = {
    throwIfAborted() {
      options.signal?.throwIfAborted();
      if (model.executor.ended) throw model.executor.ended;
    },
  };
  signal.throwIfAborted();
  const leave = enter(networkOf(model), options.method);
  let trainer: Trainer | undefined;
  let free: (() => void) | undefined;
  try {
    const { checkpoint, onProgress } = options;
    const how = trainerOptions(options, steps);
    const adapter = { ...options, alpha: alphaOf(options) };
    const kept = checkpoint
      ? { path: checkpoint, of: await identityOf(networkOf(model), lines, adapter, how, plan) }
      : undefined;
    signal.throwIfAborted();
    const made = setup.create();
    free = made.free;
    trainer = new Trainer(made.network, made.parameters, plan, how);
    const read = kept && (await readCheckpoint(kept.path, kept.of, trainer.parameters));
    const stored = read?.record;
    trainer.step = stored?.step ?? 0;
    const result = await trainOn(trainer, lines, { signal, onProgress, kept, stored, plan });
    const trained = await trainedOf(model, result, trainer.parameters, adapter);
    signal.throwIfAborted();
    return trained;
  } finally {
    trainer?.dispose();
    free?.();
    leave();
  }
}

/** How a training of some steps goes on, what was not said settled. */
export function trainerOptions(
  { method, rate, warmup, schedule, batch, decay, clip, seed }: Omit<Settled, 'checkpoint'>,
  steps: number,
): TrainerOptions {
  return {
    rate: rate ?? (method === 'full' ? FULL_RATE : LORA_RATE),
    warmup: warmup ?? Math.min(MOST_WARMUP, Math.floor(steps / WARMUP_SHARE)),
    schedule,
    steps,
    batch,
    decay,
    clip,
    seed,
  };
}

/** Most bytes beside the model, where nothing is said. */
export const MEMORY = 512 << 20;
/** Rates that most trainings do well with. */
const LORA_RATE = 0.002;
const FULL_RATE = 0.0003;
const WARMUP_SHARE = 20;
const MOST_WARMUP = 20;

interface Course {
  /** Throws where nothing more is to be done. */
  readonly signal: Ending;
  readonly onProgress: Settled['onProgress'];
  /** Where steps are kept, and what they are steps of. */
  readonly kept: { readonly path: string; readonly of: TrainingRecord['of'] } | undefined;
  readonly stored: TrainingRecord | undefined;
  readonly plan: TrainingPlan;
}

async function trainOn(
  trainer: Trainer,
  { learned, heldOut }: Lines,
  { signal, onProgress, kept, stored, plan }: Course,
): Promise<TrainingResult> {
  const losses = [...(stored?.losses ?? [])];
  const measured = [...(stored?.heldOut ?? [])];
  await followSteps(trainer, { learned, heldOut }, { losses, measured }, signal, async (report) => {
    if (kept) {
      const record = { step: trainer.step, of: kept.of, losses, heldOut: measured };
      await writeCheckpoint(kept.path, record, trainer.parameters);
    }
    onProgress?.(report);
  });
  return {
    steps: trainer.step,
    losses,
    ...(measured.length > 0 && { heldOut: { lines: linesOf(heldOut), losses: measured } }),
    plan,
  };
}

/** Who trains: here, or in two halves. */
type Steps = Pick<Trainer, 'step' | 'next' | 'lossOf'> & {
  readonly options: Pick<TrainerOptions, 'batch' | 'steps'>;
};

/** What was measured: it is added to. */
interface Measured {
  readonly losses: number[];
  readonly measured: (readonly [step: number, loss: number])[];
}

/** Trains to the last step; `onStep` is awaited behind each. */
export async function followSteps(
  trainer: Steps,
  lines: Lines,
  { losses, measured }: Measured,
  signal: Ending | undefined,
  onStep: (report: TrainingReport) => unknown,
): Promise<void> {
  await measureHeldOut(trainer, lines, measured, signal);
  while (trainer.step < trainer.options.steps) {
    const report = await trainer.next(lines.learned, signal);
    losses.push(report.loss);
    const heldOutLoss = await measureHeldOut(trainer, lines, measured, signal);
    await onStep({ ...report, heldOutLoss });
    await breathe();
  }
}

/**
 * Adds the loss of what is held out to those `measured`: before the first step, behind each epoch
 * and the last step.
 */
async function measureHeldOut(
  trainer: Steps,
  { learned, heldOut }: Lines,
  measured: Measured['measured'],
  signal: Ending | undefined,
): Promise<number | undefined> {
  const { step, options } = trainer;
  if (heldOut.length === 0 || measured.at(-1)?.[0] === step) return undefined;
  const isEpoch = step % stepsPerEpoch(learned.length, options.batch) === 0;
  if (!isEpoch && step < options.steps) return undefined;
  const loss = await trainer.lossOf(heldOut, signal);
  measured.push([step, loss]);
  return loss;
}

/** Lets others have a turn: timers, signals, a page's events. */
export const breathe = () => new Promise((resolve) => setTimeout(resolve, 0));
