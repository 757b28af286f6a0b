// Products with weights of every type: 8 rows of W are unpacked to a panel that stays in L1, of f32 or
// of codes (integers.ts), then multiplied with all tokens in register tiles.
import { sumLanes } from '../simd';
import { GROUP_ROWS } from '../weights/pack';
import { Gemv, weightType } from '../weights/table';
import { PANEL_BYTES, PANEL_K, PANEL_ROWS, Unpack } from './floats';
import { eight_bits, HAS_BYTES, SEVENS } from '../eight-bits';
import { tile1 as bytes1, tile4 as bytes4 } from './bytes';
import { tile1 as integers1, tile4 as integers4 } from './integers';
import { AS_IT_IS, EIGHT_BITS, input_bytes } from './rounded';
import { tile1 as floats1, tile4 as floats4, tileRows } from './tile';

/** Rows that abs_sums() takes at a time. */
export const ABS_ROWS: i32 = 64;

/** Bytes of scratch for gemm() and gather(): the larger one of the panels, and an edge. */
export function gemm_scratch(): i32 {
  return PANEL_BYTES + PANEL_ROWS * 4;
}

/**
 * y[n, m] = sum_k x[n, k] W[m, k]. y f32 [n, m] ldy | x [n, k] as the type wants it (rounded.ts,
 * table.ts) | w packed [m, k] | scratch gemm_scratch()
 */
export function gemm(
  y: usize,
  x: usize,
  w: usize,
  scratch: usize,
  n: i32,
  m: i32,
  k: i32,
  ldy: i32,
  type: i32,
  format: i32,
): void {
  const t = weightType(type);
  const floats = format == AS_IT_IS;
  const narrow = HAS_BYTES && format == EIGHT_BITS;
  const unpack = changetype<Unpack>(floats ? t.unpack : narrow ? t.narrowCodes : t.codes);
  const dot = t.dot();
  const half = <usize>GROUP_ROWS * t.rowBytes(k);
  const edge = scratch + <usize>PANEL_BYTES;
  const stepY = (<usize>ldy) << 2;
  const stepX = <usize>input_bytes(k, format);
  for (let row = 0; row < m; row += PANEL_ROWS) {
    const group = w + <usize>(row / GROUP_ROWS) * half;
    const columns = min(PANEL_ROWS, m - row);
    const whole = columns == PANEL_ROWS;
    for (let k0 = 0; k0 < k; k0 += PANEL_K) {
      const count = min(PANEL_K, k - k0);
      unpack(scratch, group, k0, count);
      unpack(scratch + 16, group + half, k0, count);
      const add = k0 > 0;
      let to = y + ((<usize>row) << 2);
      let from = x + <usize>input_bytes(k0, format);
      let token = 0;
      for (; whole && token + 4 <= n; token += 4, to += 4 * stepY, from += 4 * stepX) {
        if (floats) floats4(to, from, scratch, count, ldy, k, 8, add);
        else if (HAS_BYTES && narrow)
          bytes4(to, from, scratch, count / 32, stepY, stepX, add, t.narrowKind, dot);
        else integers4(to, from, scratch, count / 32, stepY, stepX, add, t.kind);
      }
      for (; token < n; token++, to += stepY, from += stepX) {
        const at = whole ? to : edge;
        if (add && !whole) memory.copy(edge, to, (<usize>columns) << 2);
        if (floats) floats1(at, from, scratch, count, 8, add);
        else if (HAS_BYTES && narrow) bytes1(at, from, scratch, count / 32, add, t.narrowKind, dot);
        else integers1(at, from, scratch, count / 32, add, t.kind);
        if (!whole) memory.copy(to, edge, (<usize>columns) << 2);
      }
    }
  }
}

/** The same for one row of x, bit for bit. y f32 [m] | x [k] | w packed [m, k] */
export function gemv(y: usize, x: usize, w: usize, m: i32, k: i32, type: i32, format: i32): void {
  const t = weightType(type);
  const narrow = eight_bits() == SEVENS ? t.sevens : t.narrow;
  changetype<Gemv>(format == EIGHT_BITS ? narrow : t.gemv)(y, x, w, m, k);
}

/** y[i] = W[ids[i]]. y f32 [n, k] | w packed | ids i32 [n] | scratch gemm_scratch() */
export function gather(
  y: usize,
  w: usize,
  ids: usize,
  scratch: usize,
  n: i32,
  k: i32,
  type: i32,
): void {
  const t = weightType(type);
  const unpack = changetype<Unpack>(t.unpack);
  const row_bytes = t.rowBytes(k);
  for (let i = 0; i < n; i++) {
    const id = load<i32>(ids + ((<usize>i) << 2));
    const group = w + <usize>(id & ~3) * row_bytes;
    const lane = scratch + ((<usize>(id & 3)) << 2);
    for (let k0 = 0; k0 < k; k0 += PANEL_K) {
      const count = min(PANEL_K, k - k0);
      unpack(scratch, group, k0, count);
      const to = y + ((<usize>i * k + k0) << 2);
      for (let j: usize = 0; j < <usize>count; j++)
        store<f32>(to + (j << 2), load<f32>(lane + (j << 5)));
    }
  }
}

/** Bytes of scratch for abs_sums(). */
export function abs_sums_scratch(): i32 {
  return PANEL_BYTES + ABS_ROWS * PANEL_ROWS * 4;
}

/**
 * out[t] += sum_m |sum_j x[t, j] W[m, k0 + j]|, j < d. out f32 [n] | x f32 [n, d] | w packed [m, k]
 * | scratch abs_sums_scratch(); n <= ABS_ROWS, k0 mod the block's elements + d <= PANEL_K
 */
export function abs_sums(
  out: usize,
  x: usize,
  w: usize,
  scratch: usize,
  n: i32,
  m: i32,
  k: i32,
  k0: i32,
  d: i32,
  type: i32,
): void {
  const t = weightType(type);
  const unpack = changetype<Unpack>(t.unpack);
  const row_bytes = t.rowBytes(k);
  const elements = t.elements;
  const lead = k0 % elements;
  const count = ((lead + d + elements - 1) / elements) * elements;
  assert(n <= ABS_ROWS && count <= PANEL_K);
  const products = scratch + <usize>PANEL_BYTES;
  for (let row = 0; row < m; row += PANEL_ROWS) {
    const group = w + <usize>row * row_bytes;
    unpack(scratch, group, k0 - lead, count);
    unpack(scratch + 16, group + 4 * row_bytes, k0 - lead, count);
    tileRows(products, x, scratch + ((<usize>lead) << 5), n, d, 8, d, 8, false);
    // rows past m are padding of zeros: they add nothing
    for (let t: usize = 0; t < <usize>n; t++) {
      const sums = f32x4.add(
        f32x4.abs(v128.load(products + (t << 5))),
        f32x4.abs(v128.load(products + (t << 5), 16)),
      );
      store<f32>(out + (t << 2), load<f32>(out + (t << 2)) + sumLanes(sums));
    }
  }
}
