// Rows that stay move together, and heads apart again, on the device: in place, whatever the
// lengths, which only the device knows.
import type { Turning } from '../cache.ts';
import { cacheRowBytes } from '../cache-shape.ts';
import { isQuantized } from '../dtype.ts';
import { type LayerPlace, rowConstants } from './append.ts';
import type { RangePlace } from './cache-parts.ts';
import { wordOffset as word } from './heap.ts';
import type { Recorder } from './recorder.ts';
import type { DeviceRows, DeviceSelection } from './rows.ts';

/** Lanes of a workgroup that moves columns. */
const LANES = 64;

type RowsOfType = Pick<DeviceRows, 'headDim' | 'rowType'>;

/** Where a selection's indices lie, less the first row of its own rows. */
const listOf = ({ address, rows }: DeviceSelection): [list: number, first: number] => [
  word(address),
  rows.firstRow,
];

/** Turns the keys of a layer that stay (Turning). */
export function turnRows(
  recorder: Recorder,
  { layer, rows }: LayerPlace,
  kept: DeviceSelection,
  { base, end, tablesOf }: Turning,
): void {
  const { part } = rows;
  const tables = tablesOf(layer);
  if (!tables && !isQuantized(rows.rowType)) return;
  recorder.dispatch(
    recorder.kernels.get('turn-rows', 'wwww', rowConstants(rows)),
    [kept.address, part.keys, part.values, part.notes],
    [
      ...[part.rows, rows.firstHead, part.heads, rows.kvHeads, ...listOf(kept)],
      ...[base, end ?? 0, end === undefined ? 1 : 0],
      ...[tables ? 1 : 0, tables?.style === 'pairs' ? 1 : 0],
      ...[word(tables?.low ?? 0), word(tables?.high ?? 0), tables?.rotated ?? 0],
    ],
    kept.bounds.most * rows.kvHeads,
  );
}

/** Keeps the chosen rows of a range's heads; all where they are more than its share. */
export function compactRange(
  recorder: Recorder,
  range: RangePlace,
  rows: RowsOfType,
  kept: DeviceSelection,
): void {
  const { part, firstHead, heads } = range;
  const each = Math.ceil(columnsOf(rows) / LANES);
  recorder.dispatch(
    recorder.kernels.get('gather-rows', 'wwww', rowConstants(rows)),
    [kept.address, part.keys, part.values, part.notes],
    [part.rows, firstHead, part.heads, heads, ...listOf(kept), each],
    each * heads,
  );
  spreadHeads(recorder, range, rows);
}

/** A fault where more rows are chosen than the range's share: then all stay. */
export function checkShare(recorder: Recorder, range: RangePlace, number: number): void {
  const { part, firstHead, heads, kept } = range;
  recorder.dispatch(
    recorder.kernels.get('check-share', 'ww'),
    [0, part.notes],
    [part.rows, firstHead, heads, number, kept],
    1,
  );
}

/** Takes back the rows of a token and of those behind it. */
export function takeBack(
  recorder: Recorder,
  range: RangePlace,
  rows: RowsOfType,
  token: number,
): void {
  const { part, firstHead, heads } = range;
  recorder.dispatch(
    recorder.kernels.get('take-back', 'w'),
    [part.notes],
    [part.rows, firstHead, heads, token],
    1,
  );
  spreadHeads(recorder, range, rows);
}

/** Gives every head the same room behind the rows that stay. */
function spreadHeads(recorder: Recorder, range: RangePlace, rows: RowsOfType): void {
  const { part, firstHead, heads, first, rows: count } = range;
  recorder.dispatch(
    recorder.kernels.get('spread-heads', 'www', rowConstants(rows)),
    [part.keys, part.values, part.notes],
    [part.rows, firstHead, part.heads, heads, first, first + count],
    Math.ceil(columnsOf(rows) / LANES),
  );
  recorder.dispatch(
    recorder.kernels.get('settle-heads', 'w'),
    [part.notes],
    [part.rows, firstHead, heads, first, first + count],
    1,
  );
}

/** Words of a row (lib/columns.wgsl). */
const columnsOf = ({ headDim, rowType }: RowsOfType): number => cacheRowBytes(headDim, rowType) / 4;
