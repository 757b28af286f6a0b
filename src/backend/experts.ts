// What a backend that has it adds for feed-forwards of many experts, of which each token goes to a
// few: the choice, and the sum of what the chosen make of a token. As with all operations: in the
// order of the calls, and a token's bits do not depend on the other tokens. Letters as in
// backend.ts; E experts, f their inner width.
import type { PlainActivation } from './product.ts';
import type { Address, Tensor, Weight } from './tensor.ts';

/** How tokens choose. */
export interface Routing {
  /** Experts that a token goes to, 1 .. E. */
  readonly used: number;
  /**
   * What the chosen weigh: p = softmax over all logits, or the sigmoid of each, or ('chosen') the
   * softmax over the logits of the chosen.
   */
  readonly gate: 'softmax' | 'sigmoid' | 'chosen';
  /**
   * [E]. Those with the largest p + bias are chosen, p as above, logits themselves for 'chosen';
   * without it, those with the largest logits, which is the same order but for rounding.
   */
  readonly bias?: Tensor;
  /** Weights are divided by their sum, or by LEAST_SUM where it is less. */
  readonly renormalise?: boolean;
  /** What weights are multiplied by, last. Default 1. */
  readonly scale?: number;
}

/** Below it weights are not divided by their sum: 2^-14, as others do, so that 0 stays 0. */
export const LEAST_SUM = 2 ** -14;

/** The experts of T tokens, largest first, and what each weighs: i32 and f32 [T, used]. */
export interface Choice {
  readonly ids: Address;
  readonly weights: Tensor;
}

/**
 * A matrix [m, k] of every expert. The weight is [E * expertRows(m), k], rows e * expertRows(m) ..
 * + m being expert e's: where m is no multiple of 4, rows of nothing lie behind each expert's, so
 * that its first row begins what is packed together (Backend.packRows).
 */
export interface ExpertMatrix {
  readonly weight: Weight;
  /** f32 [E]: what the products of each expert are multiplied by, before its bias. */
  readonly scale?: Tensor;
  /** f32 [E, m]. */
  readonly bias?: Tensor;
}

export interface ExpertLayer {
  /** [f, k]. Without it, `up` is [2 f, k]: the gate's rows, then up's. */
  readonly gate?: ExpertMatrix;
  readonly up: ExpertMatrix;
  /** [y.columns, f]. */
  readonly down: ExpertMatrix;
  readonly activation: PlainActivation;
}

/** What operations on experts have to be ready for (ScratchShape). */
export interface ExpertShape {
  readonly experts: number;
  readonly used: number;
  /** Columns of x and y, the larger, and the inner width f. */
  readonly width: number;
  readonly inner: number;
}

export interface Experts {
  /**
   * Chooses by logits f32 [T, E]; ties go to the lower number, NaN counts as -infinity. The logits
   * may be overwritten.
   */
  route(choice: Choice, logits: Tensor, T: number, how: Routing): void;
  /**
   * y[t] = sum over a token's experts, in the order of their numbers, of weight * (down(a) * scale
   * + bias), a = activation of gate(x[t]) and up(x[t]), which have scales and biases too; added to
   * y[t] one after the other where `adds`. No expert twice a token. y lies apart from x.
   * Quantised weights meet x and a as in linear(); a device (`canBeLost`) sums up as it chose.
   */
  apply(y: Tensor, x: Tensor, T: number, choice: Choice, layer: ExpertLayer, adds?: boolean): void;
}

/** Rows that a packed weight has for each expert, of m rows in the file. */
export const expertRows = (m: number): number => Math.ceil(m / 4) * 4;
