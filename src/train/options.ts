// How a model is trained: the options of train().
import { targetNames } from '../model/adapter/spec.ts';
import * as kinds from '../options/kinds.ts';
import { option, type OptionsOf } from '../options/table.ts';
import { lossKinds } from './data.ts';
import { schedules } from './schedule.ts';
import type { TrainingReport } from './report.ts';

const anyCount = kinds.whole(1, Number.MAX_SAFE_INTEGER);

export const trainTable = {
  /** What is trained: 'lora', an adapter beside the weights; 'full', all weights themselves. */
  method: option(kinds.oneOf(['lora', 'full']), {
    default: 'lora',
    flag: 'method NAME',
    summary: 'what is trained: an adapter beside the weights, or all weights',
  }),
  /** Rank of the adapter: columns of B, rows of A. Default 8. */
  rank: option(kinds.whole(1, 1024), {
    default: 8,
    flag: 'rank R',
    summary: 'rank of the adapter',
  }),
  /** The adapter's part is multiplied by alpha / rank. Default: twice the rank. */
  alpha: option(kinds.number(0.001, 1e6), {
    flag: 'alpha X',
    summary: "the adapter's part is multiplied by alpha / rank",
    otherwise: 'twice the rank',
  }),
  /** Matrices that get an adapter. Default: all of q, k, v, o, gate, up, down. */
  targets: option(kinds.listOf(kinds.oneOf(targetNames)), {
    default: targetNames,
    flag: 'targets LIST',
    summary: 'matrices that get an adapter',
  }),
  /** The highest learning rate. Default 0.002 for adapters, 0.0003 for all weights. */
  rate: option(kinds.number(0, 10), {
    flag: 'rate X',
    summary: 'the highest learning rate',
    otherwise: '0.002, or 0.0003 with method full',
  }),
  /** How the rate goes down. Default 'cosine'. */
  schedule: option(kinds.oneOf(schedules), {
    default: 'cosine',
    flag: 'schedule NAME',
    summary: 'how the rate falls from step to step',
  }),
  /** Steps in which the rate rises. Default: a twentieth of all, 20 at most. */
  warmup: option(kinds.whole(0, 1e6), {
    flag: 'warmup N',
    summary: 'steps in which the rate rises',
    otherwise: 'a twentieth of all, 20 at most',
  }),
  /** Times that each line is learned from. Default 3. */
  epochs: option(kinds.whole(1, 1e6), {
    default: 3,
    flag: 'epochs N',
    summary: 'times that each line is learned from',
  }),
  /** Steps, where they are not to follow from the epochs. */
  steps: option(anyCount, {
    flag: 'steps N',
    summary: 'steps to train',
    otherwise: 'as many as the epochs have',
  }),
  /** Lines a step. Default 8. */
  batch: option(kinds.whole(1, 1 << 20), {
    default: 8,
    flag: 'batch N',
    summary: 'lines a step',
  }),
  /** Most tokens of a line. Default: what the model was trained for. */
  length: option(kinds.whole(2, 1 << 24), {
    flag: 'length N',
    summary: 'most tokens of a line; a longer one is refused',
    otherwise: "the model's context",
  }),
  /** Decoupled weight decay. Default 0. */
  decay: option(kinds.number(0, 1), {
    default: 0,
    flag: 'decay X',
    summary: 'weight decay of AdamW',
  }),
  /** Gradients whose norm is larger are scaled down to it. Default 1. */
  clip: option(kinds.number(1e-9, 1e9), {
    default: 1,
    flag: 'clip X',
    summary: 'largest norm of the gradients',
  }),
  /** What of a line is learned. Default 'auto': replies of messages, all of a text. */
  loss: option(kinds.oneOf(lossKinds), {
    default: 'auto',
    flag: 'loss KIND',
    summary: 'what of a line is learned; auto: replies of messages, all of a text',
  }),
  /** Share of the lines that are never learned from, to measure by. Default 0.1. */
  heldOut: option(kinds.number(0, 0.9), {
    default: 0.1,
    flag: 'held-out X',
    summary: 'share of the lines that is kept apart, to measure by',
  }),
  /** What the order of lines and the first numbers of the adapter are drawn from. Default 1. */
  seed: option(kinds.whole(0, 0xffffffff), {
    default: 1,
    flag: 'seed N',
    summary: 'what the order of lines and the adapter begin with',
  }),
  /**
   * Most bytes that training takes beside the model: what it takes is known before it starts.
   * Activations that do not fit are computed twice.
   */
  memory: option(kinds.bytes('512MB'), {
    otherwise: '512MB',
    flag: 'memory B',
    summary: 'most bytes that training takes beside the model',
  }),
  /** File that the training is kept in after every step, and goes on from where it is there. */
  checkpoint: option(kinds.filledText, {
    flag: 'checkpoint FILE',
    summary: 'file that a training is kept in, and goes on from',
    otherwise: 'none',
  }),
  /** Called after each step. */
  onProgress: option(kinds.callback<(report: TrainingReport) => void>(), {
    summary: 'called after each step',
  }),
  /** Ends the training: its steps so far are in the checkpoint. */
  signal: option(kinds.signal, { summary: 'ends the training' }),
};

export interface TrainOptions extends OptionsOf<typeof trainTable> {}
