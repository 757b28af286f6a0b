// What the quantised types share: 16 bytes hold 4 rows x 4 elements of k, [row][k]; these helpers
// spread them to f32 and add up products.
import { choose, constant, dotAdd } from '../simd';

const LOW_BYTE: usize = memory.data<u32>([0x00ff00ff]); // of i16 lanes
const LOW_NIBBLE: usize = memory.data<u32>([0x000f000f]);
const NIBBLES: usize = memory.data<u32>([0x0f0f0f0f]);
const NIBBLE_OF_WORD: usize = memory.data<u32>([0xf]);
/** Byte j of each word as a word: numbers from 128 on choose 0 (simd.ts). */
const BYTES_OF_WORDS: usize = memory.data<u32>(
  [
    0xffffff00, 0xffffff04, 0xffffff08, 0xffffff0c, 0xffffff01, 0xffffff05, 0xffffff09, 0xffffff0d,
    0xffffff02, 0xffffff06, 0xffffff0a, 0xffffff0e, 0xffffff03, 0xffffff07, 0xffffff0b, 0xffffff0f,
  ],
  16,
);
const SPREAD: usize = memory.data<u32>([0x00204081]);
const PAIRS_OF_BYTES: usize = memory.data<u32>([0x03030303]);
const FIFTH_OF_BYTES: usize = memory.data<u32>([0x10101010]);
const BIT_OF_BYTES: usize = memory.data<u32>([0x01010101]);

/**
 * Spreads signed bytes q [4 rows, 4 k] to f32 [4 k, 4 rows] ld 8 at dst: q * scale + offset, one
 * scale and offset a row.
 */
@inline
export function storeQuad(dst: usize, q: v128, scale: v128, offset: v128): void {
  const t = i8x16.shuffle(q, q, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const low = i16x8.extend_low_i8x16_s(t);
  const high = i16x8.extend_high_i8x16_s(t);
  v128.store(
    dst,
    f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low)), scale), offset),
  );
  v128.store(
    dst,
    f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low)), scale), offset),
    32,
  );
  v128.store(
    dst,
    f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high)), scale), offset),
    64,
  );
  v128.store(
    dst,
    f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high)), scale), offset),
    96,
  );
}

/**
 * Bytes 0 and 2 of each row's four, signed, as i16 [4 rows][2]: the first pair of four activations
 * (gemm/rounded.ts).
 */
@inline
export function evens(q: v128): v128 {
  return i16x8.shr_s(i16x8.shl(q, 8), 8);
}

/** Bytes 1 and 3: the second pair. */
@inline
export function odds(q: v128): v128 {
  return i16x8.shr_s(q, 8);
}

/** Spreads signed bytes q [4 rows, 4 k] to two pairs of i16 [4 rows][2], 32 bytes apart. */
@inline
export function storePairs(dst: usize, q: v128): void {
  v128.store(dst, evens(q));
  v128.store(dst, odds(q), 32);
}

/** The same times i32 [4 rows], products of 16 bits. */
@inline
export function storeWeighed(dst: usize, q: v128, weights: v128): void {
  const both = i16x8.shuffle(weights, weights, 0, 0, 2, 2, 4, 4, 6, 6);
  v128.store(dst, i16x8.mul(evens(q), both));
  v128.store(dst, i16x8.mul(odds(q), both), 32);
}

/** acc + products of four signed bytes of each row with four activations at x. */
@inline
export function dotQuad(acc: v128, q: v128, x: usize): v128 {
  return dotAdd(dotAdd(acc, evens(q), v128.load32_splat(x)), odds(q), v128.load32_splat(x, 4));
}

/** The same of bytes without a sign. */
@inline
export function dotBytes(acc: v128, q: v128, x: usize): v128 {
  return dotAdd(
    dotAdd(acc, v128.and(q, constant(LOW_BYTE)), v128.load32_splat(x)),
    i16x8.shr_u(q, 8),
    v128.load32_splat(x, 4),
  );
}

/** The same of low nibbles. */
@inline
export function dotLowNibbles(acc: v128, v: v128, x: usize): v128 {
  const even = v128.and(v, constant(LOW_NIBBLE));
  const odd = v128.and(i16x8.shr_u(v, 8), constant(LOW_NIBBLE));
  return dotAdd(dotAdd(acc, even, v128.load32_splat(x)), odd, v128.load32_splat(x, 4));
}

/** The same of high nibbles. */
@inline
export function dotHighNibbles(acc: v128, v: v128, x: usize): v128 {
  const even = v128.and(i16x8.shr_u(v, 4), constant(LOW_NIBBLE));
  return dotAdd(
    dotAdd(acc, even, v128.load32_splat(x)),
    i16x8.shr_u(v, 12),
    v128.load32_splat(x, 4),
  );
}

/** Low nibbles of 16 bytes. */
@inline
export function lowNibbles(v: v128): v128 {
  return v128.and(v, constant(NIBBLES));
}

/** High nibbles of 16 bytes. */
@inline
export function highNibbles(v: v128): v128 {
  return v128.and(i16x8.shr_u(v, 4), constant(NIBBLES));
}

/** Bits `at` .. `at` + 3 of each row's word as bit 0 of the row's four bytes. */
@inline
function spreadBits(words: v128, at: i32): v128 {
  // a nibble times 2^0 + 2^7 + 2^14 + 2^21 has its bit j at position 8 j
  const nibble = v128.and(i32x4.shr_u(words, at), constant(NIBBLE_OF_WORD));
  return v128.and(i32x4.mul(nibble, constant(SPREAD)), constant(BIT_OF_BYTES));
}

/** Bit 4 i + j of each row's word as bit i of its byte j: a quad's bits are then at one place. */
@inline
export function turnBits(words: v128): v128 {
  let turned = i32x4.splat(0);
  for (let i = 0; i < 8; i++) turned = v128.or(turned, i32x4.shl(spreadBits(words, 4 * i), i));
  return turned;
}

/** Pair `at` of bits of each byte. */
@inline
export function pairsOfBits(v: v128, at: i32): v128 {
  return v128.and(i32x4.shr_u(v, at << 1), constant(PAIRS_OF_BYTES));
}

/** Bits of each byte from `at` on, moved to where `mask` has ones from `to` on. */
@inline
export function moved(v: v128, at: i32, to: i32, mask: usize): v128 {
  return v128.and(at < to ? i32x4.shl(v, to - at) : i32x4.shr_u(v, at - to), constant(mask));
}

/** Bit `at` of each byte as its bit 4: fifth bits. */
@inline
export function fifthOfBytes(v: v128, at: i32): v128 {
  return moved(v, at, 4, FIFTH_OF_BYTES);
}

/**
 * Pairs of bits, 128 elements each 32 bytes: the lowest pair is the first of four parts, the highest
 * one the last. p: 16 x [4 rows][4 bytes]
 */
@inline
export function fourParts(p: usize, part: i32, run: i32, i: usize): v128 {
  const at = p + ((<usize>(part >> 2)) << 7) + ((<usize>run) << 6) + (i << 4);
  return pairsOfBits(v128.load(at), part & 3);
}

/** Byte j of each row's word as f32x4. */
@inline
export function byteOfWords(words: v128, j: i32): v128 {
  const places = v128.load(BYTES_OF_WORDS + ((<usize>j) << 4));
  return f32x4.convert_i32x4_s(choose(words, places));
}

/** Nibbles of a pair's runs: of the first one low, of the second one high. */
@inline
export function nibbles(bytes: v128, run: i32): v128 {
  return run == 0 ? lowNibbles(bytes) : highNibbles(bytes);
}

/** acc + products of such nibbles with four activations at x. */
@inline
export function dotNibbles(acc: v128, bytes: v128, run: i32, x: usize): v128 {
  return run == 0 ? dotLowNibbles(acc, bytes, x) : dotHighNibbles(acc, bytes, x);
}
