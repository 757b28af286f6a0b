// What the quantised types share: 16 bytes hold 4 rows x 4 elements of k, [row][k]; these helpers spread them to f32 and add up products.
import { dotAdd } from '../simd';

/**
 * Spreads signed bytes q [4 rows, 4 k] to f32 [4 k, 4 rows] ld 8 at dst: q * scale + offset, one scale and offset a row.
 */
@inline
export function storeQuad(dst: usize, q: v128, scale: v128, offset: v128): void {
  const t = i8x16.shuffle(q, q, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const low = i16x8.extend_low_i8x16_s(t);
  const high = i16x8.extend_high_i8x16_s(t);
  v128.store(dst, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low)), scale), offset));
  v128.store(dst, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low)), scale), offset), 32);
  v128.store(dst, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high)), scale), offset), 64);
  v128.store(dst, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high)), scale), offset), 96);
}

/** Spreads signed bytes q [4 rows, 4 k] to pairs of k as i16 [2 pairs][4 rows][2], 32 bytes apart. */
@inline
export function storePairs(dst: usize, q: v128): void {
  const t = i8x16.shuffle(q, q, 0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
  v128.store(dst, i16x8.extend_low_i8x16_s(t));
  v128.store(dst, i16x8.extend_high_i8x16_s(t), 32);
}

/** acc + products of bytes of rows 0 and 1 (as [r0 r0 r1 r1]) with four i16 of x at the same k. */
@inline
export function dotLow(acc: v128, q: v128, x: v128): v128 {
  return dotAdd(acc, i16x8.extend_low_i8x16_s(q), x);
}

/** The same for rows 2 and 3. */
@inline
export function dotHigh(acc: v128, q: v128, x: v128): v128 {
  return dotAdd(acc, i16x8.extend_high_i8x16_s(q), x);
}

/** Low nibbles of 16 bytes. */
@inline
export function lowNibbles(v: v128): v128 {
  return v128.and(v, i8x16.splat(0x0f));
}

/** High nibbles of 16 bytes. */
@inline
export function highNibbles(v: v128): v128 {
  return i8x16.shr_u(v, 4);
}

/** Bits `at` .. `at` + 3 of each row's word as bit 4 of the row's four bytes: the fifth bits of a 5-bit block. */
@inline
export function fifthBits(words: v128, at: i32): v128 {
  // a nibble times 2^0 + 2^7 + 2^14 + 2^21 has its bit j at position 8 j
  const nibble = v128.and(i32x4.shr_u(words, at), i32x4.splat(0xf));
  return i32x4.shl(v128.and(i32x4.mul(nibble, i32x4.splat(0x00204081)), i32x4.splat(0x01010101)), 4);
}

/** Byte j of each row's word as f32x4. */
@inline
export function byteOfWords(words: v128, j: i32): v128 {
  return f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(words, j << 3), i32x4.splat(0xff)));
}
