// Hidden states in several streams (AltUp): the embedding is the first, of which the others are
// made; behind the last layer all are mixed into one. Between, blocks compute on the first
// (blocks/altup.ts).
//
// S streams, D width, T tokens of a piece.
import type { Backend } from '../backend/backend.ts';
import { streamOf, type Streams } from '../backend/streams.ts';
import type { Tensor } from '../backend/tensor.ts';
import { fused, type MatrixSpec } from './blocks/block.ts';
import { applyLinear, type Linear } from './linear.ts';

/** What the others are made by, and what takes them back: [S - 1, D, D]. */
export const SPREAD = 'altup_proj';
export const MERGE = 'altup_unembd_proj';

export interface StreamWeights {
  /** [D, D] each; none where the model's first, or last, layer is not here. */
  readonly spread: readonly Linear[];
  readonly merge: readonly Linear[];
}

/** The matrices that either tensor consists of. */
export const streamMatrices = (name: string, streams: number, D: number): MatrixSpec[] =>
  fused(name, new Array<number>(streams - 1).fill(D), D);

/** x_s = W_s x_0, as long as x_0. */
export function spreadStreams(
  backend: Backend,
  { spread }: StreamWeights,
  streams: Streams,
  T: number,
): void {
  const first = streamOf(streams, 0, T);
  for (const [i, linear] of spread.entries()) {
    const own = streamOf(streams, i + 1, T);
    applyLinear({ backend, T }, [[own, linear]], first);
    backend.matchNorms(own, first, T);
  }
}

/** x_0 = the mean of x_0 and of all U_s x_s, as long as x_0. `room` [T, D]; streams are used up. */
export function mergeStreams(
  backend: Backend,
  { merge }: StreamWeights,
  streams: Streams,
  room: Tensor,
  T: number,
): void {
  const first = streamOf(streams, 0, T);
  const made = merge.map((linear, i) => {
    // (where the stream before was, which is done with)
    const to = i === 0 ? room : streamOf(streams, i, T);
    applyLinear({ backend, T }, [[to, linear]], streamOf(streams, i + 1, T));
    backend.matchNorms(to, first, T);
    return to;
  });
  for (const each of made) backend.add(first, each, T);
  backend.scale(first, 1 / streams.count, T);
}
