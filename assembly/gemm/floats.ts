// Weights as f32: panels of them, and products with one row of weights that are plain numbers.
import { loadBrainHalves, loadHalves, madd } from '../simd';

/**
 * Elements of k unpacked at a time: 512 x 8 x 4 B = 16 KiB, a third of a 48 KiB L1; a multiple of
 * every block length.
 */
export const PANEL_K: i32 = 512;
/** Rows of W in a panel: a packed weight has a multiple of them. */
export const PANEL_ROWS: i32 = 8;
export const PANEL_BYTES: i32 = PANEL_K * PANEL_ROWS * 4;

/**
 * Unpacks elements k0 .. k0 + count of a packed group of 4 rows to f32 [count, 4] ld 8; src is the
 * group's first byte.
 */
export type Unpack = (dst: usize, src: usize, k0: i32, count: i32) => void;

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
export function loadFour<T>(p: usize): v128 {
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
