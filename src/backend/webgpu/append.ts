// New rows behind those of a layer's heads, and rows taken back from there.
import type { HeadSteps, Place } from '../cache.ts';
import { rowTypes } from '../dtype.ts';
import { UnsupportedError } from '../../errors.ts';
import type { QueriesKeysValues, Tensor } from '../tensor.ts';
import type { RangePlace } from './cache-parts.ts';
import { wordOffset as word } from './heap.ts';
import { floatWord } from './kernels.ts';
import type { Recorder } from './recorder.ts';
import type { DeviceRows } from './rows.ts';

/** What kernels that read or write rows are compiled for (lib/rows.wgsl). */
export const rowConstants = ({ headDim, rowType }: Pick<DeviceRows, 'headDim' | 'rowType'>) => ({
  D: headDim,
  ROWS: rowTypes[rowType].bits,
});

/** A layer's rows, in the range that they are part of. */
export interface LayerPlace {
  readonly layer: number;
  readonly rows: DeviceRows;
  readonly range: RangePlace;
}

/** Keys and values of new tokens, and their queries, where these go through steps too. */
export type NewRows = Omit<QueriesKeysValues, 'q'> & { readonly q?: Tensor };

/** Bits of append.wgsl's `steps`. */
const [NORMS_Q, NORMS_K, TURNS, PAIRS, SCALES] = [1, 2, 4, 8, 16];

/** The number of a range's last head in its part, and the row that the range ends at. */
const endOf = ({ firstHead, heads, first, rows }: RangePlace): [last: number, end: number] => [
  firstHead + heads - 1,
  first + rows,
];

/**
 * Stores keys and values of T tokens, after `steps` where queries are given. `nothing` is a buffer
 * to bind where there is no norm.
 */
export function appendRows(
  recorder: Recorder,
  { layer, rows, range }: LayerPlace,
  { q, k, v }: NewRows,
  T: number,
  { token, position }: Place,
  {
    queryHeads,
    qNorm,
    kNorm,
    vNorm,
    normEps,
    angles,
    queryAngles,
    queryWeight,
    queryScale,
  }: HeadSteps,
  nothing: number,
): void {
  if (vNorm || queryAngles || queryWeight)
    throw new UnsupportedError(
      'norms of values and weights of queries are not on WebGPU: use wasm',
    );
  const { part } = range;
  const steps =
    (qNorm ? NORMS_Q : 0) |
    (kNorm ? NORMS_K : 0) |
    (angles ? TURNS : 0) |
    (angles?.style === 'pairs' ? PAIRS : 0) |
    (queryScale === undefined ? 0 : SCALES);
  const norms = [qNorm?.address ?? nothing, kNorm?.address ?? nothing];
  recorder.dispatch(
    recorder.kernels.get('append', 'wwwwrr', rowConstants(rows)),
    [k.address, part.keys, part.values, part.notes, ...norms],
    [
      ...[part.rows, rows.firstHead, part.heads, ...endOf(range), layer],
      ...[T, queryHeads, rows.kvHeads, word(q?.address ?? 0), word(k.address), word(v.address)],
      ...[steps, ...norms.map(word), floatWord(normEps)],
      ...[word(angles?.address ?? 0), angles?.rotated ?? 0, floatWord(queryScale ?? 1)],
      ...[token, position, T === 1 ? 1 : 0],
    ],
    T * (queryHeads + rows.kvHeads),
  );
  if (T > 1) growHeads(recorder, { layer, rows, range }, T);
}

/** Heads get rows that were stored behind them, or lose some where `count` is negative. */
export function growHeads(
  recorder: Recorder,
  { layer, rows, range }: LayerPlace,
  count: number,
): void {
  const { part } = range;
  recorder.dispatch(
    recorder.kernels.get('grow', 'ww'),
    [0, part.notes],
    [
      ...[part.rows, rows.firstHead, ...endOf(range), layer, rows.kvHeads],
      ...[Math.max(0, count), Math.max(0, -count)],
    ],
    1,
  );
}
