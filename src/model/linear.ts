// A matrix as layers use it: y = x W^T + b. Whatever else a matrix may bring along (an adapter, a
// scale) is added here, and nowhere else.
import type { Backend, Product } from '../backend/backend.ts';
import type { Tensor, Weight } from '../backend/tensor.ts';

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
