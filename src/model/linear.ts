// A matrix as layers use it: y = x W^T + b, and what adapters add. Whatever else a matrix may bring
// along (a scale) is added here, and nowhere else.
import type { Backend, Product } from '../backend/backend.ts';
import type { Tensor, Weight } from '../backend/tensor.ts';
import type { Training } from '../backend/training.ts';

export interface Linear {
  /** [m, k]. */
  readonly weight: Weight;
  /** [m]. */
  readonly bias?: Tensor;
  readonly adapters?: readonly LowRank[];
}

/** What an adapter adds to a matrix: y += scale (x A^T) B^T, rank r. */
export interface LowRank {
  /** A [r, k]. */
  readonly down: Weight;
  /** B [m, r]. */
  readonly up: Weight;
  readonly scale: number;
}

/** Where adapters work: f32 [T, r] and [T, m] at least. */
export interface LowRoom {
  readonly low: Tensor;
  readonly added: Tensor;
}

/** Where a product goes, and what makes it. */
export type Output = readonly [y: Tensor, linear: Linear];

/**
 * y[T, m] = x[T, k] W^T + b for several outputs of one input, and what their adapters add, which
 * work in `room`. One token alone goes by the kernels made for decoding.
 */
export function applyLinear(
  backend: Backend,
  outputs: readonly Output[],
  x: Tensor,
  T: number,
  room?: LowRoom,
): void {
  const multiply = (products: readonly Product[], from: Tensor) =>
    T === 1 ? backend.linearOne(products, from) : backend.linear(products, from, T);
  multiply(
    outputs.map(([y, { weight }]): Product => [y, weight]),
    x,
  );
  for (const [y, { bias, adapters = [] }] of outputs) {
    if (bias) backend.addBias(y, bias, T);
    for (const { down, up, scale } of adapters) {
      const low = { ...room!.low, columns: down.rows };
      const added = { ...room!.added, columns: up.rows };
      multiply([[low, down]], x);
      multiply([[added, up]], low);
      if (scale !== 1) backend.scale(added, scale, T);
      backend.add(y, added, T);
    }
  }
}

/** Who learns from T tokens. */
export interface Learner {
  readonly backend: Backend;
  readonly training: Training;
  readonly T: number;
  readonly lowRoom: LowRoom;
  /** Where the gradient of a matrix or a vector is added up; undefined: it is not trained. */
  gradientOf<P extends Weight | Tensor>(parameter: P): P | undefined;
}

/**
 * The way back through applyLinear(), given the gradient of each output: the gradients of what is
 * trained are added to, and dx[T, k] is written where it is wanted.
 */
export function linearGradient(
  learner: Learner,
  outputs: readonly (readonly [dy: Tensor, linear: Linear])[],
  x: Tensor,
  dx: Tensor | undefined,
): void {
  const { training, T, gradientOf } = learner;
  for (const [dy, { weight, bias }] of outputs) {
    const dw = gradientOf(weight);
    const db = bias && gradientOf(bias);
    if (dw) training.weightGradient(dw, dy, x, T);
    if (db) training.biasGradient(db, dy, T);
  }
  const products = outputs.map(([dy, { weight }]): Product => [dy, weight]);
  if (dx) training.linearGradient(dx, products, T);
  for (const [dy, { adapters = [] }] of outputs)
    for (const adapter of adapters) adapterGradient(learner, adapter, dy, x, dx);
}

/** The same through what one adapter adds; its part of dx is added to what is there. */
function adapterGradient(
  { backend, training, T, lowRoom, gradientOf }: Learner,
  { down, up, scale }: LowRank,
  dy: Tensor,
  x: Tensor,
  dx: Tensor | undefined,
): void {
  const low = { ...lowRoom.low, columns: down.rows }; // [T, r]
  const [ddown, dup] = [gradientOf(down), gradientOf(up)];
  if (dup) {
    backend.linear([[low, down]], x, T);
    backend.scale(low, scale, T);
    training.weightGradient(dup, dy, low, T);
  }
  if (!ddown && !dx) return;
  training.linearGradient(low, [[dy, up]], T);
  backend.scale(low, scale, T);
  if (ddown) training.weightGradient(ddown, low, x, T);
  if (dx) training.linearGradient(dx, [[low, down]], T, true);
}
