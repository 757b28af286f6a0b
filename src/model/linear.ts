// A matrix as layers use it: y = x W^T + b, and what adapters add: sum_i scale_i (x A_i^T) B_i^T.
// Whatever else a matrix may bring along is added here, and nowhere else.
import { UnsupportedError } from '../errors.ts';
import type { Activation, Around, Backend, NormBefore, Product } from '../backend/backend.ts';
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
  /** What the product is multiplied by, before the bias. Default 1. */
  readonly scale?: number;
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

/** T tokens that go through matrices. */
export interface Tokens {
  readonly backend: Backend;
  readonly T: number;
  /** Where the model has adapters. */
  readonly adapterRoom?: AdapterRoom;
}

/**
 * y[T, m] = x[T, k] W^T + b for several outputs of one input, and what adapters add; x normed
 * first, or y added to, where that is asked for.
 */
export function applyLinear(
  tokens: Tokens,
  outputs: readonly Output[],
  x: Tensor,
  around?: Around,
): void {
  if (outputs.some(([, linear]) => hasMore(linear))) applyInParts(tokens, outputs, x, around);
  else multiply(tokens, outputs.map(productOf), x, around);
}

/** y[T, m] = activation(x[T, k] W_gate^T) * (x W_up^T), which overwrites the places of both. */
export function applyGated(
  tokens: Tokens,
  y: Tensor,
  [gate, up]: readonly [gate: Output, up: Output],
  activation: Activation,
  x: Tensor,
  before?: NormBefore,
): void {
  const { backend, T } = tokens;
  if (hasMore(gate[1]) || hasMore(up[1])) {
    applyLinear(tokens, [gate, up], x, before);
    backend.glu(y, gate[0], up[0], T, activation);
  } else backend.gated(y, productOf(gate), productOf(up), x, T, activation, before);
}

const productOf = ([y, { weight, bias }]: Output): Product => [y, weight, bias];

/** One token alone goes by the kernels made for decoding. */
function multiply(
  { backend, T }: Tokens,
  products: readonly Product[],
  x: Tensor,
  around?: Around,
): void {
  if (T === 1) backend.linearOne(products, x, around);
  else backend.linear(products, x, T, around);
}

/** Whether a matrix is more than a product and a bias. */
const hasMore = ({ adapters, scale }: Linear): boolean =>
  adapters !== undefined || (scale !== undefined && scale !== 1);

/**
 * Scales, and what adapters add, change a product before it goes on; adapters need the norm of x as
 * the product does.
 */
function applyInParts(
  tokens: Tokens,
  outputs: readonly Output[],
  x: Tensor,
  around?: Around,
): void {
  const { backend, T } = tokens;
  if (around?.norm) {
    const { norm, room } = around;
    backend.rmsNorm(room, x, norm.w, T, norm.eps);
    applyInParts(tokens, outputs, room, undefined);
  } else if (around?.adds) {
    for (const [y, linear] of outputs) {
      applyLinear(tokens, [[around.room, linear]], x);
      backend.add(y, around.room, T);
    }
  } else {
    multiply(tokens, outputs.map(productOf), x);
    for (const [y, { adapters, scale, bias }] of outputs) {
      if (scale !== undefined && scale !== 1) rescale(tokens, y, scale, bias);
      if (adapters) addAdapters(tokens, y, adapters, x);
    }
  }
}

/** y, which has its bias already, as if the product had been scaled before it. */
function rescale({ backend, T }: Tokens, y: Tensor, scale: number, bias?: Tensor): void {
  if (bias) throw new RangeError('a matrix has a scale and a bias');
  backend.scale(y, scale, T);
}

function addAdapters(
  { backend, T, adapterRoom: room }: Tokens,
  y: Tensor,
  adapters: readonly AdapterPair[],
  x: Tensor,
): void {
  if (!room) throw new RangeError('a matrix has adapters, and there is no room for them');
  const rows = ({ address, columns }: Tensor, from: number): Tensor => ({
    address: address + from * columns * 4,
    columns,
  });
  for (let from = 0; from < T; from += room.tokens) {
    const n = Math.min(room.tokens, T - from);
    for (const { a, b, scale } of adapters) {
      const low = { address: room.low, columns: a.rows }; // [n, r]
      const delta = { address: room.delta, columns: b.rows }; // [n, m]
      multiply({ backend, T: n }, [[low, a]], rows(x, from));
      backend.scale(low, scale, n);
      multiply({ backend, T: n }, [[delta, b]], low);
      backend.add(rows(y, from), delta, n);
    }
  }
}

/** Who learns from T tokens. */
export interface Learner extends Tokens {
  readonly training: Training;
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
  for (const [dy, { weight, bias, scale = 1 }] of outputs) {
    if (scale !== 1)
      throw new UnsupportedError(
        'a matrix has a scale of its own (NVFP4), whose gradient is not known: train a model of ' +
          'another type',
      );
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
