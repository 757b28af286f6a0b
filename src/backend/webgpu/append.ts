// New rows behind those of a layer's heads, and rows taken back from there.
import type { HeadSteps, Place } from '../cache.ts';
import { rowTypes } from '../dtype.ts';
import type { Angles, QueriesKeysValues, Tensor } from '../tensor.ts';
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

/** Bits of append.wgsl's `steps`, from the lowest: whether each is taken. */
function stepBits(steps: HeadSteps): number {
  const { qNorm, kNorm, vNorm, angles, queryWeight, queryScale } = steps;
  const { queryAngles = angles } = steps;
  const taken = [
    ...[qNorm, kNorm, vNorm],
    ...[queryAngles, queryAngles?.style === 'pairs'],
    ...[angles, angles?.style === 'pairs'],
    ...[queryWeight, queryScale !== undefined],
  ];
  return taken.reduce<number>((bits, isTaken, i) => (isTaken ? bits | (1 << i) : bits), 0);
}

/** Parameters of angles. */
const angleWords = (angles: Angles | undefined): [first: number, rotated: number] => [
  word(angles?.address ?? 0),
  angles?.rotated ?? 0,
];

/** The number of a range's last head in its part, and the row that the range ends at. */
const endOf = ({ firstHead, heads, first, rows }: RangePlace): [last: number, end: number] => [
  firstHead + heads - 1,
  first + rows,
];

/**
 * Stores keys and values of T tokens, after `steps` where queries are given. `nothing` is a buffer
 * to bind where there are no weights.
 */
export function appendRows(
  recorder: Recorder,
  { layer, rows, range }: LayerPlace,
  { q, k, v }: NewRows,
  T: number,
  { token, position }: Place,
  steps: HeadSteps,
  nothing: number,
): void {
  const { part } = range;
  const { queryHeads, qNorm, kNorm, normEps, angles, queryWeight, queryScale } = steps;
  const { queryAngles = angles } = steps;
  const weights = [qNorm, kNorm, queryWeight].map((w) => w?.address ?? nothing);
  const [qNormWord, kNormWord, weightWord] = weights.map(word);
  recorder.dispatch(
    recorder.kernels.get('append', 'wwwwrrr', rowConstants(rows)),
    [k.address, part.keys, part.values, part.notes, ...weights],
    [
      ...[part.rows, rows.firstHead, part.heads, ...endOf(range), layer],
      ...[T, queryHeads, rows.kvHeads, word(q?.address ?? 0), word(k.address), word(v.address)],
      ...[stepBits(steps), qNormWord, kNormWord, floatWord(normEps)],
      ...[...angleWords(angles), floatWord(queryScale ?? 1)],
      ...[token, position, T === 1 ? 1 : 0],
      ...[...angleWords(queryAngles), weightWord],
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
