// Cached rows of every type, n rows of d numbers one after the other: who looks up the scheme of a
// type, and does what it wants. Kernels that compute on rows take them in tiles of TILE rows; f32
// rows are used where they lie, others are widened into scratch first. Nobody else asks how rows
// are kept.
//
//   scheme    rows     what it asks of those who use rows
//   plain     plain.ts    nothing
//   rotated   rotated.ts  that queries are rotated too, and outputs rotated back
//   kivi      kivi.ts     to pass on `rest`, the address that its rows count from; 0 for others
import { codeBytes, dequantizeRow } from './codes';
import { kiviBytes, widenRow } from './kivi';
import { loadPlain, storePlain } from './plain';
import { rotateRows, storeRotated, unrotateRows } from './rotated';
import { BY_ROW, GROUPED, MIXED, ROTATED, ROWS_F16, ROWS_F32, WIDTH } from './types';

/**
 * Rows a kernel handles at a time: 64 rows of 128 f32 are 32 KiB of keys, within L1 and L2 reach of
 * the queries beside them.
 */
export const TILE: i32 = 64;


@inline
function isKivi(type: i32): bool {
  return type >= GROUPED;
}


@inline
function isRotated(type: i32): bool {
  return type >= ROTATED && type < GROUPED;
}

/** Whether rows are kept in few bits. */
@inline
export function isCoded(type: i32): bool {
  return type >= ROTATED;
}

/** Bytes of a plain number. */
@inline
function sizeOf(type: i32): i32 {
  return type == ROWS_F16 ? 2 : 4;
}

/** Bytes of a row of d numbers. */
@inline
export function rowBytes(d: i32, type: i32): usize {
  if (isKivi(type)) return kiviBytes(d, type);
  if (isRotated(type)) return codeBytes(d, type);
  return <usize>(d * sizeOf(type));
}

/**
 * The type of the values that lie beside keys of a type. Values of mixed keys have as many bits as
 * those on average, rounded up.
 */
@inline
export function valueType(type: i32): i32 {
  if (!isKivi(type)) return type;
  const width = type & WIDTH;
  return BY_ROW | ((type & MIXED) != 0 ? (width + 1) >> 1 : width);
}

/** Whether rows are f32, or f16, as they lie. */
@inline
export function isPlain<T>(type: i32): bool {
  return type == (isFloat<T>() ? ROWS_F32 : ROWS_F16);
}

/**
 * Widens n rows to f32, as they are kept: what prepared queries meet, and outputs are finished of.
 * dst f32 [n, d] ldd | src rows [n, d] | rest: what rows of kivi.ts name, 0 for others
 */
export function loadRows(
  dst: usize,
  src: usize,
  rest: usize,
  n: i32,
  d: i32,
  ldd: i32,
  type: i32,
): void {
  if (type == ROWS_F16) loadPlain(dst, src, n, d, ldd, 2);
  else if (type == ROWS_F32) loadPlain(dst, src, n, d, ldd, 4);
  else {
    const bytes = rowBytes(d, type);
    for (let i = 0; i < n; i++, src += bytes, dst += (<usize>ldd) << 2) {
      if (isKivi(type)) widenRow(dst, src, rest, d, type);
      else dequantizeRow(dst, src, d, type);
    }
  }
}

/**
 * The numbers that were stored, or what rounding left of them: dst f32 [n, d] | src rows [n, d] |
 * rest of loadRows
 */
export function rows_widen(dst: usize, src: usize, rest: usize, n: i32, d: i32, type: i32): void {
  loadRows(dst, src, rest, n, d, d, type);
  finishOutputs(dst, n, d, type);
}

/**
 * Appends n rows (of types that stand alone, not those of kivi.ts): dst rows [n, d] | src f32 [n,
 * d] lds | scratch rows_scratch()
 */
export function rows_store(
  dst: usize,
  src: usize,
  scratch: usize,
  n: i32,
  d: i32,
  lds: i32,
  type: i32,
): void {
  if (isRotated(type)) storeRotated(dst, src, n, d, lds, type, scratch);
  else if (type == ROWS_F16) storePlain(dst, src, n, d, lds, 2);
  else storePlain(dst, src, n, d, lds, 4);
}

/** Makes queries what rows of a type are to meet: q f32 [n, d] in place */
@inline
export function prepareQueries(q: usize, n: i32, d: i32, type: i32): void {
  if (isRotated(type)) rotateRows(q, n, d);
}

/** Makes sums of rows what they stand for: x f32 [n, d] in place */
@inline
export function finishOutputs(x: usize, n: i32, d: i32, type: i32): void {
  if (isRotated(type)) unrotateRows(x, n, d);
}

/** f32 rows of a tile: where they lie, or widened into scratch. */
@inline
export function tileOf(rows: usize, rest: usize, scratch: usize, n: i32, d: i32, type: i32): usize {
  if (type == ROWS_F32) return rows;
  loadRows(scratch, rows, rest, n, d, d, type);
  return scratch;
}

/** Bytes of scratch for kernels that take rows tile by tile. */
export function rows_scratch(d: i32): i32 {
  return TILE * d * 4;
}
