// Operations that are done number by number, or row by row: norms, sums, gates, rotations. Letters
// as in backend.ts; all tensors f32.
import type { Activation } from './product.ts';
import type { Angles, Tensor } from './tensor.ts';

/** Weights that are all 1, of which there are so many. */
export interface Columns {
  readonly address?: undefined;
  readonly columns: number;
}

export interface Elements {
  /** y[i] = x[i] / sqrt(mean(x[i]^2) + eps) * w, for n rows of w.columns; y may be x. */
  rmsNorm(y: Tensor, x: Tensor, w: Tensor | Columns, n: number, eps: number): void;
  /** y[i] += x[i], n rows of y.columns. */
  add(y: Tensor, x: Tensor, n: number): void;
  /** y[i] *= by, n rows of y.columns. */
  scale(y: Tensor, by: number, n: number): void;
  /** y[i] *= by, elementwise, for n rows of by.columns. */
  multiplyColumns(y: Tensor, by: Tensor, n: number): void;
  /** y = activation(gate) * up, n rows of y.columns; y may be gate. */
  glu(y: Tensor, gate: Tensor, up: Tensor, n: number, activation: Activation): void;
  /** y *= sigmoid(gate), n rows of y.columns. */
  gateBySigmoid(y: Tensor, gate: Tensor, n: number): void;
  /** y = max(y, 0)^2, n rows of y.columns. */
  squaredRelu(y: Tensor, n: number): void;
  /** y = cap tanh(y / cap), n rows of y.columns. */
  softCap(y: Tensor, cap: number, n: number): void;
  /** Rotates n rows of `heads` heads of d by angle rows 0 .. n - 1. */
  rope(x: Tensor, angles: Angles, n: number, heads: number, d: number): void;
}
