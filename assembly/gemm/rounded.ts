// Activations for products in integers. A block's largest magnitude becomes 32767, or 127, so the
// error is below 2^-16 or 2^-8 of it; 32 products with i8 stay below 2^31.
//
//   a block of 32, wide:    [16 pairs of i16 | scale f32 | scale * sum f32 | sum i32 | scale * sum
//                           of the first 16 f32]
//   a block of 32, narrow:  [32 i8 | scale f32 | scale * sum f32 | sums of the first and of the second
//                           16 i16 | scale * sum of the first 16 f32]
//
// Four neighbours of a wide block are stored as 0 2 1 3: weights' bytes are taken apart by shifts of
// 16-bit lanes, even ones first (weights/unpack.ts). Narrow ones are as they come (bytes.ts).
import { maxLanes } from '../simd';

/** How products want x: as it is; rounded to 16 bits; to 8 bits in a wide block, or in a narrow one. */
export const AS_IT_IS: i32 = 0;
export const SIXTEEN_BITS: i32 = 1;
export const EIGHT_BITS_WIDE: i32 = 2;
export const EIGHT_BITS: i32 = 3;

/** Bytes of a block's codes, and of a block. */
export const ROUNDED_CODES: usize = 64;
export const ROUNDED_BLOCK: usize = ROUNDED_CODES + 16;
export const NARROW_CODES: usize = 32;
export const NARROW_BLOCK: usize = NARROW_CODES + 16;
/** Where its parts lie, from the end of the codes. */
export const SCALE: usize = 0;
export const SUM: usize = 4;
export const TOTAL: usize = 8;
export const FIRST: usize = 12;

/** Bytes of a rounded row of k elements, at most. */
export function rounded_bytes(k: i32): i32 {
  return (k >> 5) * <i32>ROUNDED_BLOCK;
}

/** Bytes of a row of k elements in a format. */
export function input_bytes(k: i32, format: i32): i32 {
  if (format == AS_IT_IS) return k << 2;
  return format == EIGHT_BITS ? (k >> 5) * <i32>NARROW_BLOCK : rounded_bytes(k);
}

/** Largest magnitude of a code. */
const MOST: f32 = 32767;
const MOST_OF_EIGHT: f32 = 127;

/** Magnitudes up to here are taken for 0: a code by them would be no number. */
const LEAST: f32 = 1e-34;

/** Sum of the four i32 lanes. */
@inline
function sumWhole(v: v128): i32 {
  const low = i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1);
  return low + i32x4.extract_lane(v, 2) + i32x4.extract_lane(v, 3);
}

/** Largest magnitude of a block of x. */
@inline
function largestOf(x: usize): f32 {
  let peak = f32x4.splat(0);
  for (let i: usize = 0; i < 128; i += 16) peak = f32x4.pmax(peak, f32x4.abs(v128.load(x + i)));
  return maxLanes(peak);
}

/** Four codes. */
@inline
function codesOf(x: usize, by: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x), by)));
}

/** Rounds a block of x, whose largest magnitude becomes `most`. */
@inline
export function roundBlock(to: usize, x: usize, most: f32): void {
  const largest = largestOf(x);
  const by = f32x4.splat(largest > LEAST ? most / largest : 0);
  let total = i32x4.splat(0);
  let first = total;
  for (let i: usize = 0; i < 64; i += 16) {
    if (i == 32) first = total;
    const low = codesOf(x + 2 * i, by);
    const high = codesOf(x + 2 * i + 16, by);
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

/** 16 codes of a narrow block; their sum. */
@inline
function roundHalf(to: usize, x: usize, by: v128): i32 {
  const a = codesOf(x, by);
  const b = codesOf(x + 16, by);
  const c = codesOf(x + 32, by);
  const d = codesOf(x + 48, by);
  v128.store(to, i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d)));
  return sumWhole(i32x4.add(i32x4.add(a, b), i32x4.add(c, d)));
}

/** The same to 8 bits, as a narrow block. */
@inline
function roundNarrow(to: usize, x: usize): void {
  const largest = largestOf(x);
  const by = f32x4.splat(largest > LEAST ? MOST_OF_EIGHT / largest : 0);
  const first = roundHalf(to, x, by);
  const second = roundHalf(to + 16, x + 64, by);
  const scale = largest / MOST_OF_EIGHT;
  store<f32>(to, scale, NARROW_CODES + SCALE);
  store<f32>(to, scale * <f32>(first + second), NARROW_CODES + SUM);
  store<i16>(to, <i16>first, NARROW_CODES + TOTAL);
  store<i16>(to, <i16>second, NARROW_CODES + TOTAL + 2);
  store<f32>(to, scale * <f32>first, NARROW_CODES + FIRST);
}

/** Rounds k elements: to input_bytes() | x f32 [k], k % 32 == 0 */
export function round_input(to: usize, x: usize, k: i32, format: i32): void {
  const end = x + ((<usize>k) << 2);
  if (format == EIGHT_BITS) for (; x < end; x += 128, to += NARROW_BLOCK) roundNarrow(to, x);
  else {
    const most: f32 = format == EIGHT_BITS_WIDE ? MOST_OF_EIGHT : MOST;
    for (; x < end; x += 128, to += ROUNDED_BLOCK) roundBlock(to, x, most);
  }
}
