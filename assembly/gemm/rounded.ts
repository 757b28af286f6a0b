// Activations for products in integers. A block's largest magnitude becomes 32767, so the error is
// below 2^-16 of it; 32 products with i8 stay below 2^31.
//
//   a block of 32:  [16 pairs of i16 | scale f32 | scale * sum f32 | sum i32 | scale * sum of the
//                    first 16 f32]
//
// Four neighbours are stored as 0 2 1 3: weights' bytes are taken apart by shifts of 16-bit lanes,
// even ones first (weights/unpack.ts).
import { maxLanes } from '../simd';

/** Bytes of a block's codes, and of a block. */
export const ROUNDED_CODES: usize = 64;
export const ROUNDED_BLOCK: usize = ROUNDED_CODES + 16;
/** Where its parts lie, from the end of the codes. */
export const SCALE: usize = 0;
export const SUM: usize = 4;
export const TOTAL: usize = 8;
export const FIRST: usize = 12;

/** Bytes of a rounded row of k elements. */
export function rounded_bytes(k: i32): i32 {
  return (k >> 5) * <i32>ROUNDED_BLOCK;
}

/** Largest magnitude of a code. */
const MOST: f32 = 32767;

/** Sum of the four i32 lanes. */
@inline
function sumWhole(v: v128): i32 {
  const low = i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1);
  return low + i32x4.extract_lane(v, 2) + i32x4.extract_lane(v, 3);
}

/** Rounds a block of x, whose largest magnitude becomes `most`. */
@inline
export function roundBlock(to: usize, x: usize, most: f32): void {
  let peak = f32x4.splat(0);
  for (let i: usize = 0; i < 128; i += 16) peak = f32x4.pmax(peak, f32x4.abs(v128.load(x + i)));
  const largest = maxLanes(peak);
  const inverse: f32 = largest > 0 ? most / largest : 0;
  const by = f32x4.splat(inverse);
  let total = i32x4.splat(0);
  let first = total;
  for (let i: usize = 0; i < 64; i += 16) {
    if (i == 32) first = total;
    const low = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x + 2 * i), by)));
    const high = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x + 2 * i, 16), by)));
    total = i32x4.add(total, i32x4.add(low, high));
    const narrow = i16x8.narrow_i32x4_s(low, high);
    v128.store(to + i, i16x8.shuffle(narrow, narrow, 0, 2, 1, 3, 4, 6, 5, 7));
  }
  const scale = largest / most;
  const sum = sumWhole(total);
  store<f32>(to, scale, ROUNDED_CODES + SCALE);
  store<f32>(to, scale * <f32>sum, ROUNDED_CODES + SUM);
  store<i32>(to, sum, ROUNDED_CODES + TOTAL);
  store<f32>(to, scale * <f32>sumWhole(first), ROUNDED_CODES + FIRST);
}

/** Rounds k elements: to rounded_bytes() | x f32 [k], k % 32 == 0 */
export function round_input(to: usize, x: usize, k: i32): void {
  for (let end = x + ((<usize>k) << 2); x < end; x += 128, to += ROUNDED_BLOCK)
    roundBlock(to, x, MOST);
}
