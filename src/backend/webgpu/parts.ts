// Products by the buffers that their weights lie in, and what kernels are told of each.
import { weightRowBytes } from '../dtype.ts';
import type { Around, Product } from '../product.ts';
import type { Address } from '../tensor.ts';
import { wordOffset as word } from './heap.ts';
import type { WeightPiece } from './weights.ts';

/** No norm, no bias, no weight, in parameters. */
export const NONE = 0xffffffff;

/** A product with the rows of a weight that one buffer has. */
export interface Part {
  readonly product: Product;
  readonly piece: WeightPiece;
}

export type PartsOf = (products: readonly Product[]) => Part[];

/** Bytes of weights and biases that parts read. */
export const bytesOf = (parts: readonly Part[]): number =>
  parts.reduce(
    (sum, { product: [, { type, columns }, bias], piece: { rows } }) =>
      sum + rows * (weightRowBytes(type, columns) + (bias ? 4 : 0)),
    0,
  );

export const normBytes = ({ norm }: Partial<Around> = {}): number =>
  norm ? 4 * norm.w.columns : 0;

/** Where a part's bias begins, in words. */
export const biasWord = ({ product: [, , bias], piece }: Part): number =>
  bias ? word(bias.address) + piece.first : NONE;

/** A buffer with a part's bias; any that may be bound where there is none. */
export const biasAddress = ({ product: [, , bias], piece }: Part): Address =>
  bias ? bias.address : piece.address;
