// Hidden states that go through the layers in several streams (AltUp, arXiv 2301.13310): layers
// compute on the first, and the others are predicted from all, and corrected by what the layer
// changed. Letters: S streams, n tokens, D columns. All f32.
import type { Address, Tensor } from './tensor.ts';

/** [S][n, D]: one stream behind the other, without gaps. */
export interface Streams {
  readonly address: Address;
  readonly count: number;
  readonly columns: number;
}

/** Stream s of n tokens. */
export const streamOf = ({ address, columns }: Streams, s: number, n: number): Tensor => ({
  address: address + s * n * columns * 4,
  columns,
});

export interface StreamOps {
  /** y_o = x_o + sum_i c[o S + i] x_i, c [n, S^2] a token's own; y lies apart from x. */
  predictStreams(y: Streams, x: Streams, c: Tensor, n: number): void;
  /**
   * x_s = y_s + (1 + c[s]) (x_0 - y_0), c [n, S] a token's own: x_0 is what a layer made of y_0,
   * other streams of x are only written. y lies apart from x.
   */
  correctStreams(x: Streams, y: Streams, c: Tensor, n: number): void;
  /** y[i] *= norm2(x[i]) / norm2(y[i]), n rows of y.columns; rows of zeros stay. */
  matchNorms(y: Tensor, x: Tensor, n: number): void;
}
