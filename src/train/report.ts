// What is told of a training.
import type { TrainingPlan } from './plan.ts';

/** After a step. */
export interface TrainingReport {
  /** Steps done, of how many. */
  readonly step: number;
  readonly steps: number;
  /** Mean loss of the tokens learned in this step, in nats. */
  readonly loss: number;
  /** The same of the lines held out, behind each epoch and the last step. */
  readonly heldOutLoss?: number;
  /** norm2 of the gradients before clipping, and the rate. */
  readonly gradientNorm: number;
  readonly rate: number;
  /** Tokens that went through the layers in this step, and how many a second. */
  readonly tokens: number;
  readonly tokensPerSecond: number;
}

/** Lines that were never learned from: their mean loss a token, in nats, after so many steps. */
export interface HeldOut {
  readonly lines: number;
  /** Before the first step, behind each epoch, behind the last. */
  readonly losses: readonly (readonly [step: number, loss: number])[];
}

/** A training that is over. */
export interface TrainingResult {
  /** Steps done. */
  readonly steps: number;
  /** Mean loss a token of each step, in nats. */
  readonly losses: readonly number[];
  readonly heldOut?: HeldOut;
  /** What was planned and held: bytes beside the model. */
  readonly plan: TrainingPlan;
}
