// What is told of a training.

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
