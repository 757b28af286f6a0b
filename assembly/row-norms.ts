// Lengths and directions of cached rows. Rotating changes neither, if all are rotated alike.
import { rowBytes, TILE, tileOf } from './rows/table';
import { madd, sumLanes } from './simd';

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

/**
 * out[i] = norm2(rows[i]). out f32 [n] | rows [n, d] | rest of loadRows | scratch rows_scratch()
 */
export function row_norms(
  out: usize,
  rows: usize,
  rest: usize,
  scratch: usize,
  n: i32,
  d: i32,
  type: i32,
): void {
  for (let i0 = 0; i0 < n; i0 += TILE) {
    const count = min(TILE, n - i0);
    const tile = tileOf(rows + <usize>i0 * rowBytes(d, type), rest, scratch, count, d, type);
    for (let i = 0; i < count; i++) {
      const row = tile + ((<usize>(i * d)) << 2);
      store<f32>(out + ((<usize>(i0 + i)) << 2), sqrt<f32>(dot(row, row, d)));
    }
  }
}

/**
 * out = mean_i rows[i] / norm2(rows[i]); rows of length 0 count as 0. out f32 [d] | rows [n, d], n
 * > 0 | rest of loadRows | scratch rows_scratch()
 */
export function mean_direction(
  out: usize,
  rows: usize,
  rest: usize,
  scratch: usize,
  n: i32,
  d: i32,
  type: i32,
): void {
  memory.fill(out, 0, (<usize>d) << 2);
  for (let i0 = 0; i0 < n; i0 += TILE) {
    const count = min(TILE, n - i0);
    const tile = tileOf(rows + <usize>i0 * rowBytes(d, type), rest, scratch, count, d, type);
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
 * direction f32 [d] | rest of loadRows | scratch rows_scratch()
 */
export function row_cosines(
  out: usize,
  rows: usize,
  direction: usize,
  rest: usize,
  scratch: usize,
  n: i32,
  d: i32,
  type: i32,
): void {
  const length = sqrt<f32>(dot(direction, direction, d));
  for (let i0 = 0; i0 < n; i0 += TILE) {
    const count = min(TILE, n - i0);
    const tile = tileOf(rows + <usize>i0 * rowBytes(d, type), rest, scratch, count, d, type);
    for (let i = 0; i < count; i++) {
      const row = tile + ((<usize>(i * d)) << 2);
      const norms = sqrt<f32>(dot(row, row, d)) * length;
      store<f32>(out + ((<usize>(i0 + i)) << 2), norms > 0 ? dot(row, direction, d) / norms : 0);
    }
  }
}
