// A matrix as layers use it: y = x W^T + b. Whatever else a matrix may bring along (an adapter, a
// scale) is added here, and nowhere else.
import type { Backend, Product } from '../backend/backend.ts';
import type { Tensor, Weight } from '../backend/tensor.ts';
import type { Training } from '../backend/training.ts';

export interface Linear {
  /** [m, k]. */
  readonly weight: Weight;
  /** [m]. */
  readonly bias?: Tensor;
}

/** Where a product goes, and what makes it. */
export type Output = readonly [y: Tensor, linear: Linear];

/**
 * y[T, m] = x[T, k] W^T + b for several outputs of one input. One token alone goes by the kernels
 * made for decoding.
 */
export function applyLinear(
  backend: Backend,
  outputs: readonly Output[],
  x: Tensor,
  T: number,
): void {
  const products = outputs.map(([y, { weight }]): Product => [y, weight]);
  if (T === 1) backend.linearOne(products, x);
  else backend.linear(products, x, T);
  for (const [y, { bias }] of outputs) if (bias) backend.addBias(y, bias, T);
}

/** Who learns from T tokens. */
export interface Learner {
  readonly backend: Backend;
  readonly training: Training;
  readonly T: number;
  /** Where the gradient of a matrix or a vector is added up; undefined: it is not trained. */
  gradientOf<P extends Weight | Tensor>(parameter: P): P | undefined;
}

/**
 * The way back through applyLinear(), given the gradient of each output: the gradients of what is
 * trained are added to, and dx[T, k] is written where it is wanted.
 */
export function linearGradient(
  { training, T, gradientOf }: Learner,
  outputs: readonly (readonly [dy: Tensor, linear: Linear])[],
  x: Tensor,
  dx: Tensor | undefined,
): void {
  for (const [dy, { weight, bias }] of outputs) {
    const dw = gradientOf(weight);
    const db = bias && gradientOf(bias);
    if (dw) training.weightGradient(dw, dy, x, T);
    if (db) training.biasGradient(db, dy, T);
  }
  const products = outputs.map(([dy, { weight }]): Product => [dy, weight]);
  if (dx) training.linearGradient(dx, products, T);
}
