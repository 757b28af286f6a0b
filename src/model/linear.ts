// A matrix as layers use it: y = x W^T + b, and what adapters add: sum_i scale_i (x A_i^T) B_i^T.
// Whatever else a matrix may bring along is added here, and nowhere else.
import type { Backend, Product } from '../backend/backend.ts';
import type { Address, Tensor, Weight } from '../backend/tensor.ts';
import type { Training } from '../backend/training.ts';

/** What an adapter (LoRA) of rank r has for a matrix: y += scale (x A^T) B^T. */
export interface AdapterPair {
  /** A [r, k]. */
  readonly a: Weight;
  /** B [m, r]. */
  readonly b: Weight;
  readonly scale: number;
}

export interface Linear {
  /** [m, k]. */
  readonly weight: Weight;
  /** [m]. */
  readonly bias?: Tensor;
  /** In the order in which they are added. */
  readonly adapters?: readonly AdapterPair[];
}

/** What adapters work in, a few tokens at a time: their bits do not depend on how many. */
export interface AdapterRoom {
  /** Tokens that there is room for. */
  readonly tokens: number;
  /** f32 [tokens, r]: x A^T. */
  readonly low: Address;
  /** f32 [tokens, m]: what is added to y. */
  readonly delta: Address;
}

/** Where a product goes, and what makes it. */
export type Output = readonly [y: Tensor, linear: Linear];

/**
 * y[T, m] = x[T, k] W^T + b for several outputs of one input, and what adapters add, which work in
 * a room of their own. One token alone goes by the kernels made for decoding.
 */
export function applyLinear(
  backend: Backend,
  outputs: readonly Output[],
  x: Tensor,
  T: number,
  room?: AdapterRoom,
): void {
  const products = outputs.map(([y, { weight }]): Product => [y, weight]);
  multiply(backend, products, x, T);
  for (const [y, { bias }] of outputs) if (bias) backend.addBias(y, bias, T);
  for (const [y, { adapters }] of outputs) {
    if (!adapters) continue;
    if (!room) throw new RangeError('a matrix has adapters, and there is no room for them');
    addAdapters(backend, y, adapters, x, T, room);
  }
}

function multiply(backend: Backend, products: readonly Product[], x: Tensor, T: number): void {
  if (T === 1) backend.linearOne(products, x);
  else backend.linear(products, x, T);
}

function addAdapters(
  backend: Backend,
  y: Tensor,
  adapters: readonly AdapterPair[],
  x: Tensor,
  T: number,
  room: AdapterRoom,
): void {
  const rows = ({ address, columns }: Tensor, from: number): Tensor => ({
    address: address + from * columns * 4,
    columns,
  });
  for (let from = 0; from < T; from += room.tokens) {
    const n = Math.min(room.tokens, T - from);
    for (const { a, b, scale } of adapters) {
      const low = { address: room.low, columns: a.rows }; // [n, r]
      const delta = { address: room.delta, columns: b.rows }; // [n, m]
      multiply(backend, [[low, a]], rows(x, from), n);
      backend.scale(low, scale, n);
      multiply(backend, [[delta, b]], low, n);
      backend.add(rows(y, from), delta, n);
    }
  }
}

/** Who learns from T tokens. */
export interface Learner {
  readonly backend: Backend;
  readonly training: Training;
  readonly T: number;
  readonly adapterRoom?: AdapterRoom;
  /** f32 [T, r]: where the gradients of adapters are made. */
  readonly low: Address;
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
    for (const pair of adapters) pairGradient(learner, pair, dy, x, dx);
}

/** The same through what one adapter adds; its part of dx is added to what is there. */
function pairGradient(
  { backend, training, T, low: address, gradientOf }: Learner,
  { a, b, scale }: AdapterPair,
  dy: Tensor,
  x: Tensor,
  dx: Tensor | undefined,
): void {
  const low = { address, columns: a.rows }; // [T, r]
  const [da, db] = [gradientOf(a), gradientOf(b)];
  if (db) {
    backend.linear([[low, a]], x, T);
    backend.scale(low, scale, T);
    training.weightGradient(db, dy, low, T);
  }
  if (!da && !dx) return;
  training.linearGradient(low, [[dy, b]], T);
  backend.scale(low, scale, T);
  if (da) training.weightGradient(da, low, x, T);
  if (dx) training.linearGradient(dx, [[low, a]], T, true);
}
