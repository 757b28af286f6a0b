// A training, step by step: what is trained, the batch's room, and the optimiser. It knows no files
// and no lines; train() drives it.
import type { AdamW } from '../backend/training.ts';
import { DeviceError, OptionError } from '../errors.ts';
import type { Network } from '../model/forward.ts';
import { LearningPass } from '../model/learning.ts';
import { createLearningRoom, type LearningRoom } from '../model/learning-room.ts';
import { type Example, examplesOf, packed, targetsIn } from './batches.ts';
import type { Parameters } from './parameters.ts';
import type { TrainingPlan } from './plan.ts';
import type { TrainingReport } from './report.ts';
import { type Pace, rateAt } from './schedule.ts';

/** AdamW as most use it. */
const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

/** What AdamW does at a step, counted from 0, with gradients of a norm. */
export const adamWAt = (
  step: number,
  gradientNorm: number,
  { rate, clip, decay }: { readonly rate: number; readonly clip: number; readonly decay: number },
): AdamW => ({
  rate,
  beta1: BETA1,
  beta2: BETA2,
  epsilon: EPSILON,
  decay,
  step: step + 1,
  gradientScale: gradientNorm > clip ? clip / gradientNorm : 1,
});

/** Throws DeviceError where numbers of a step, counted from 0, are not finite any more. */
export function checkFiniteStep(step: number, loss: number, gradientNorm: number): void {
  if (Number.isFinite(loss) && Number.isFinite(gradientNorm)) return;
  throw new DeviceError(
    `step ${step + 1} gave a loss of ${loss} and gradients of norm ${gradientNorm}: the ` +
      `training left what numbers can hold; begin again with a lower rate`,
  );
}

/** What ends a training: a signal, or something like it. */
export interface Ending {
  throwIfAborted(): void;
}

export interface TrainerOptions extends Pace {
  /** Examples a step. */
  readonly batch: number;
  readonly decay: number;
  readonly clip: number;
  readonly seed: number;
}

export class Trainer {
  readonly parameters: Parameters;
  readonly plan: TrainingPlan;
  readonly options: TrainerOptions;
  /** Steps done. */
  step = 0;
  readonly #room: LearningRoom;
  readonly #pass: LearningPass;

  /**
   * Reserves the room of a plan; the parameters are the trainer's from here on. Throws
   * DeviceError where memory ends, UnsupportedError for a backend that cannot train; then the
   * parameters are given back.
   */
  constructor(
    network: Network,
    parameters: Parameters,
    plan: TrainingPlan,
    options: TrainerOptions,
  ) {
    const { config, weights, backend } = network;
    this.parameters = parameters;
    this.plan = plan;
    this.options = options;
    try {
      this.#room = createLearningRoom(config, weights, backend, plan);
    } catch (error) {
      parameters.dispose();
      throw error;
    }
    this.#pass = new LearningPass(network, this.#room, parameters.gradientOf);
  }

  /**
   * Learns from the examples of the next step. Throws DeviceError where numbers are not finite any
   * more: nothing of that step is kept then. `signal` ends it between batches, and leaves
   * the step undone.
   */
  async next(examples: readonly Example[], signal?: Ending): Promise<TrainingReport> {
    const { batch, seed, steps, clip, decay } = this.options;
    const began = performance.now();
    const chosen = examplesOf(examples, this.step, batch, seed);
    const targets = targetsIn(chosen);
    let [loss, tokens] = [0, 0];
    try {
      for (const micro of packed(chosen, this.plan.tokens)) {
        signal?.throwIfAborted();
        this.#pass.forward(micro.tokens, micro.sequences);
        const losses = await this.#pass.losses(micro.targets, 1 / targets);
        this.#pass.backward();
        for (const one of losses) loss += one;
        tokens += micro.tokens.length;
      }
    } catch (error) {
      this.parameters.clearGradients();
      throw error;
    }
    const gradientNorm = await this.parameters.gradientNorm();
    loss /= targets;
    try {
      signal?.throwIfAborted();
      checkFiniteStep(this.step, loss, gradientNorm);
    } catch (error) {
      this.parameters.clearGradients();
      throw error;
    }
    const rate = rateAt(this.step, this.options);
    this.parameters.step(adamWAt(this.step, gradientNorm, { rate, clip, decay }));
    this.step++;
    const seconds = (performance.now() - began) / 1000;
    const tokensPerSecond = tokens / seconds;
    return { step: this.step, steps, loss, gradientNorm, rate, tokens, tokensPerSecond };
  }

  /** Mean loss of the learned tokens of examples, nothing being learned from them. */
  async lossOf(examples: readonly Example[], signal?: Ending): Promise<number> {
    let sum = 0;
    for (const micro of packed(examples, this.plan.tokens)) {
      signal?.throwIfAborted();
      this.#pass.forward(micro.tokens, micro.sequences);
      for (const one of await this.#pass.losses(micro.targets)) sum += one;
    }
    const targets = targetsIn(examples);
    if (targets === 0) throw new OptionError('there is nothing to measure the loss of');
    return sum / targets;
  }

  /** Bytes that it holds, as its plan said. */
  get bytes(): number {
    return this.#room.bytes;
  }

  dispose(): void {
    this.#room.dispose();
    this.parameters.dispose();
  }
}
