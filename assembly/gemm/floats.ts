// Products of weights that meet x as it is, and what all weights are widened for: 8 rows of W are
// unpacked to an f32 panel that stays in L1, then multiplied with all tokens in register tiles.
import { loadBrainHalves, loadHalves, madd, sumLanes } from '../simd';
import { tile1, tileRows } from './tile';

/**
 * Elements of k unpacked at a time: 512 x 8 x 4 B = 16 KiB, a third of a 48 KiB L1; a multiple of
 * every block length.
 */
export const PANEL_K: i32 = 512;
/** Rows of W in a panel: a packed weight has a multiple of them. */
export const PANEL_ROWS: i32 = 8;
const PANEL_BYTES: i32 = PANEL_K * PANEL_ROWS * 4;

/**
 * Unpacks elements k0 .. k0 + count of a packed group of 4 rows to f32 [count, 4] ld 8; src is the
 * group's first byte.
 */
export type Unpack = (dst: usize, src: usize, k0: i32, count: i32) => void;

/** Bytes of scratch for gemmFloats() and gatherRows(): one panel and one edge tile. */
export const FLOATS_SCRATCH: i32 = PANEL_BYTES + PANEL_ROWS * 4;

/**
 * y[n, m] = sum_k x[n, k] W[m, k]; W packed in groups of 4 rows of 4 * row_bytes, rows padded to a
 * multiple of 8 (pack.ts). y f32 [n, m] ldy | x f32 [n, k] | scratch FLOATS_SCRATCH bytes
 */
export function gemmFloats(
  y: usize,
  x: usize,
  w: usize,
  scratch: usize,
  n: i32,
  m: i32,
  k: i32,
  ldy: i32,
  row_bytes: usize,
  unpack: Unpack,
): void {
  const edge = scratch + <usize>PANEL_BYTES;
  for (let row = 0; row < m; row += PANEL_ROWS) {
    const group = w + <usize>row * row_bytes;
    const columns = min(PANEL_ROWS, m - row);
    for (let k0 = 0; k0 < k; k0 += PANEL_K) {
      const count = min(PANEL_K, k - k0);
      unpack(scratch, group, k0, count);
      unpack(scratch + 16, group + 4 * row_bytes, k0, count);
      const xk = x + ((<usize>k0) << 2);
      if (columns == PANEL_ROWS) {
        tileRows(y + ((<usize>row) << 2), xk, scratch, n, count, ldy, k, 8, k0 > 0);
        continue;
      }
      for (let t = 0; t < n; t++) {
        const yt = y + ((<usize>t * ldy + row) << 2);
        if (k0 > 0) memory.copy(edge, yt, (<usize>columns) << 2);
        tile1(edge, xk + ((<usize>t * k) << 2), scratch, count, 8, k0 > 0);
        memory.copy(yt, edge, (<usize>columns) << 2);
      }
    }
  }
}

/** Rows that absSums() takes at a time. */
export const ABS_ROWS: i32 = 64;

/** Bytes of scratch for absSums(). */
export const ABS_SCRATCH: i32 = PANEL_BYTES + ABS_ROWS * PANEL_ROWS * 4;

/**
 * out[t] += sum_m |sum_j x[t, j] W[m, k0 + j]| for j < d: the length (norm 1) of what a slice of
 * W's columns makes of x. out f32 [n] | x f32 [n, d] | w packed, `elements` to a block | scratch
 * ABS_SCRATCH bytes; n <= ABS_ROWS, k0 mod elements + d <= PANEL_K
 */
export function absSums(
  out: usize,
  x: usize,
  w: usize,
  scratch: usize,
  n: i32,
  m: i32,
  k0: i32,
  d: i32,
  row_bytes: usize,
  elements: i32,
  unpack: Unpack,
): void {
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

/**
 * y[i, 0..k] = W[ids[i], 0..k] for a packed W. y f32 [n, k] | ids i32 [n], each within W | scratch
 * FLOATS_SCRATCH bytes
 */
export function gatherRows(
  y: usize,
  w: usize,
  ids: usize,
  scratch: usize,
  n: i32,
  k: i32,
  row_bytes: usize,
  unpack: Unpack,
): void {
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

/** Writes up to four sums of a group of rows to y, `left` rows being legal. */
@inline
export function storeGroup(y: usize, sums: v128, left: i32): void {
  if (left >= 4) {
    v128.store(y, sums);
    return;
  }
  store<f32>(y, f32x4.extract_lane(sums, 0));
  if (left > 1) store<f32>(y, f32x4.extract_lane(sums, 1), 4);
  if (left > 2) store<f32>(y, f32x4.extract_lane(sums, 2), 8);
}

/** Four numbers at p as f32: T is f32, u16 for f16, i16 for bf16. */
@inline
function loadFour<T>(p: usize): v128 {
  if (isFloat<T>()) return v128.load(p);
  return isSigned<T>() ? loadBrainHalves(p) : loadHalves(p);
}

/** The Unpack of such weights. */
export function unpackNumbers<T>(dst: usize, src: usize, k0: i32, count: i32): void {
  let from = src + <usize>k0 * (4 * sizeof<T>());
  for (let i = 0; i < count; i++, from += 4 * sizeof<T>(), dst += 32)
    v128.store(dst, loadFour<T>(from));
}

/**
 * y[m] = sum_k x[k] W[m, k] of weights that are plain numbers (T as in loadFour), k after k. Four
 * groups at a time: sums that do not wait for one another. y f32 [m] | x f32 [k] | w packed [m, k]
 */
export function gemvNumbers<T>(y: usize, x: usize, w: usize, m: i32, k: i32): void {
  const end = x + ((<usize>k) << 2);
  const step = 4 * sizeof<T>();
  const group = <usize>k * step;
  let row = 0;
  for (; row + 16 <= m; row += 16) {
    let a = f32x4.splat(0);
    let b = a;
    let c = a;
    let d = a;
    for (let p = x; p < end; p += 4, w += step) {
      const s = v128.load32_splat(p);
      a = madd(a, s, loadFour<T>(w));
      b = madd(b, s, loadFour<T>(w + group));
      c = madd(c, s, loadFour<T>(w + 2 * group));
      d = madd(d, s, loadFour<T>(w + 3 * group));
    }
    w += 3 * group;
    const to = y + ((<usize>row) << 2);
    v128.store(to, a);
    v128.store(to, b, 16);
    v128.store(to, c, 32);
    v128.store(to, d, 48);
  }
  for (; row < m; row += 4) {
    let sums = f32x4.splat(0);
    for (let p = x; p < end; p += 4, w += step)
      sums = madd(sums, v128.load32_splat(p), loadFour<T>(w));
    storeGroup(y + ((<usize>row) << 2), sums, m - row);
  }
}
