// Cache rows: n rows of d numbers, one after the other, f32, f16 or of few bits. Kernels that
// compute on rows take them in tiles of TILE rows; f32 rows are used where they lie, other types
// are widened into scratch first. Rows of few bits are rotated, and what meets them is too
// (quant.ts), or they share grids with others (kivi.ts).
import { isKivi, kiviBytes, widenRow } from './kivi';
import { dequantizeRow, quantBytes, quantizeRows, rotateRow, ROUNDED_ROWS } from './quant';
import { madd, storeHalf, storeHalves, sumLanes, widenHalves } from './simd';

/**
 * Rows a kernel handles at a time: 64 rows of 128 f32 are 32 KiB of keys, within L1 and L2 reach of
 * the queries beside them.
 */
export const TILE: i32 = 64;

/** Row types, as in the table of src/backend/dtype.ts. */
export const ROWS_F32: i32 = 0;
export const ROWS_F16: i32 = 1;
/** From here on, and below those of kivi.ts, a type is the number of bits of a code. */
const ROWS_ROTATED: i32 = 3;

/** Whether rows of a type are kept rotated. */
@inline
export function isRotated(type: i32): bool {
  return type >= ROWS_ROTATED && !isKivi(type);
}

/** Bytes of a row of d numbers. */
@inline
export function rowBytes(d: i32, type: i32): usize {
  if (isKivi(type)) return kiviBytes(d, type);
  if (isRotated(type)) return quantBytes(d, type);
  return (<usize>d) << (type == ROWS_F16 ? 1 : 2);
}

/** Widens n rows to f32, as they are kept: dst f32 [n, d] ldd | src rows [n, d] */
export function rows_load(dst: usize, src: usize, n: i32, d: i32, ldd: i32, type: i32): void {
  const bytes = rowBytes(d, type);
  for (let i = 0; i < n; i++, src += bytes, dst += (<usize>ldd) << 2) {
    if (type == ROWS_F32) {
      memory.copy(dst, src, bytes);
      continue;
    }
    if (isRotated(type)) {
      dequantizeRow(dst, src, d, type);
      continue;
    }
    if (isKivi(type)) {
      widenRow(dst, src, d, type);
      continue;
    }
    widenHalves(dst, src, d);
  }
}

/**
 * Appends n rows (of types that stand alone, not those of kivi.ts): dst rows [n, d] | src f32 [n,
 * d] lds | scratch f32 [ROUNDED_ROWS, d]
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
  const bytes = rowBytes(d, type);
  const wide = (<usize>lds) << 2;
  if (isRotated(type)) {
    for (let i = 0; i < n; i += ROUNDED_ROWS) {
      const count = min(ROUNDED_ROWS, n - i);
      for (let r: usize = 0; r < <usize>count; r++, src += wide) {
        const y = scratch + r * ((<usize>d) << 2);
        memory.copy(y, src, (<usize>d) << 2);
        rotateRow(y, d);
      }
      quantizeRows(dst, scratch, count, d, type, bytes);
      dst += <usize>count * bytes;
    }
    return;
  }
  for (let i = 0; i < n; i++, dst += bytes, src += wide) {
    if (type == ROWS_F32) {
      memory.copy(dst, src, bytes);
      continue;
    }
    let j: usize = 0;
    for (; j + 4 <= <usize>d; j += 4) storeHalves(dst + (j << 1), v128.load(src + (j << 2)));
    for (; j < <usize>d; j++) storeHalf(dst + (j << 1), load<f32>(src + (j << 2)));
  }
}

/** f32 rows of a tile: where they lie, or widened into scratch. */
@inline
export function tileOf(rows: usize, scratch: usize, n: i32, d: i32, type: i32): usize {
  if (type == ROWS_F32) return rows;
  rows_load(scratch, rows, n, d, d, type);
  return scratch;
}

/** Bytes of scratch the kernels below need. */
export function rows_scratch(d: i32): i32 {
  return TILE * d * 4;
}

/** x . y of d numbers. */
@inline
export function dot(x: usize, y: usize, d: i32): f32 {
  let sums = f32x4.splat(0);
  let j: usize = 0;
  const lanes = (<usize>(d & ~3)) << 2;
  for (; j < lanes; j += 16) sums = madd(sums, v128.load(x + j), v128.load(y + j));
  let sum = sumLanes(sums);
  for (; j < (<usize>d) << 2; j += 4) sum += load<f32>(x + j) * load<f32>(y + j);
  return sum;
}

/** out[i] = norm2(rows[i]). out f32 [n] | rows [n, d] | scratch rows_scratch() */
export function row_norms(
  out: usize,
  rows: usize,
  scratch: usize,
  n: i32,
  d: i32,
  type: i32,
): void {
  for (let i0 = 0; i0 < n; i0 += TILE) {
    const count = min(TILE, n - i0);
    const tile = tileOf(rows + <usize>i0 * rowBytes(d, type), scratch, count, d, type);
    for (let i = 0; i < count; i++) {
      const row = tile + ((<usize>(i * d)) << 2);
      store<f32>(out + ((<usize>(i0 + i)) << 2), sqrt<f32>(dot(row, row, d)));
    }
  }
}

/**
 * out = mean_i rows[i] / norm2(rows[i]); rows of length 0 count as 0. out f32 [d] | rows [n, d], n
 * > 0 | scratch rows_scratch()
 */
export function mean_direction(
  out: usize,
  rows: usize,
  scratch: usize,
  n: i32,
  d: i32,
  type: i32,
): void {
  memory.fill(out, 0, (<usize>d) << 2);
  for (let i0 = 0; i0 < n; i0 += TILE) {
    const count = min(TILE, n - i0);
    const tile = tileOf(rows + <usize>i0 * rowBytes(d, type), scratch, count, d, type);
    for (let i = 0; i < count; i++) {
      const row = tile + ((<usize>(i * d)) << 2);
      const norm = sqrt<f32>(dot(row, row, d));
      if (norm == 0) continue;
      const by = <f32>1 / (norm * <f32>n);
      for (let j: usize = 0; j < (<usize>d) << 2; j += 4)
        store<f32>(out + j, load<f32>(out + j) + load<f32>(row + j) * by);
    }
  }
}

/**
 * out[i] = cos(rows[i], direction), 0 where either has length 0. out f32 [n] | rows [n, d] |
 * direction f32 [d] | scratch rows_scratch()
 */
export function row_cosines(
  out: usize,
  rows: usize,
  direction: usize,
  scratch: usize,
  n: i32,
  d: i32,
  type: i32,
): void {
  const length = sqrt<f32>(dot(direction, direction, d));
  for (let i0 = 0; i0 < n; i0 += TILE) {
    const count = min(TILE, n - i0);
    const tile = tileOf(rows + <usize>i0 * rowBytes(d, type), scratch, count, d, type);
    for (let i = 0; i < count; i++) {
      const row = tile + ((<usize>(i * d)) << 2);
      const norms = sqrt<f32>(dot(row, row, d)) * length;
      store<f32>(out + ((<usize>(i0 + i)) << 2), norms > 0 ? dot(row, direction, d) / norms : 0);
    }
  }
}
