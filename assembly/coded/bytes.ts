// Codes of a row as bytes, channel after channel: what products in integers read. Codes of 8 bits
// are bytes as they lie (rows/codes.ts draws the others).
import { constant } from '../simd';

const FIFTEENS: usize = memory.data<u32>([0x0f0f0f0f]);
const THREES: usize = memory.data<u32>([0x03030303]);
const FOURS: usize = memory.data<u32>([0x04040404]);

/** 16, 8 or 4 bytes, a constant. */
@inline
function loadBytes(p: usize, size: i32): v128 {
  if (size == 16) return v128.load(p);
  return size == 8 ? v128.load64_zero(p) : v128.load32_zero(p);
}


@inline
function storeBytes(p: usize, bytes: v128, size: i32): void {
  if (size == 16) v128.store(p, bytes);
  else if (size == 8) v128.store64_lane(p, bytes, 0);
  else v128.store32_lane(p, bytes, 0);
}


@inline
function unpackFour(dst: usize, src: usize, half: usize, size: i32): void {
  const both = loadBytes(src, size);
  storeBytes(dst, v128.and(both, constant(FIFTEENS)), size);
  storeBytes(dst + half, v128.and(i16x8.shr_u(both, 4), constant(FIFTEENS)), size);
}

/**
 * Codes of eighth e, a constant: `low` holds their two lower bits at bit 2 (e / 2) of bytes, `high`
 * the third ones at bit e. Bits that shifts carry from byte to byte are those that are not looked at.
 */
@inline
function threes(low: v128, high: v128, e: i32, three: v128, four: v128): v128 {
  const two = e < 2 ? low : i16x8.shr_u(low, e & 6);
  const third = e < 2 ? i16x8.shl(high, 2 - e) : e == 2 ? high : i16x8.shr_u(high, e - 2);
  return v128.or(v128.and(two, three), v128.and(third, four));
}

/** Codes i .. i + size of all eighths. */
@inline
function unpackThree(dst: usize, src: usize, eighth: usize, size: i32): void {
  const three = constant(THREES);
  const four = constant(FOURS);
  const even = loadBytes(src, size);
  const odd = loadBytes(src + eighth, size);
  const high = loadBytes(src + 2 * eighth, size);
  storeBytes(dst, threes(even, high, 0, three, four), size);
  storeBytes((dst += eighth), threes(odd, high, 1, three, four), size);
  storeBytes((dst += eighth), threes(even, high, 2, three, four), size);
  storeBytes((dst += eighth), threes(odd, high, 3, three, four), size);
  storeBytes((dst += eighth), threes(even, high, 4, three, four), size);
  storeBytes((dst += eighth), threes(odd, high, 5, three, four), size);
  storeBytes((dst += eighth), threes(even, high, 6, three, four), size);
  storeBytes((dst += eighth), threes(odd, high, 7, three, four), size);
}

/** Third bits of a row of 64 channels: those of eighths 2 e and 2 e + 1 at bit 2 e, one behind the other. */
@inline
function thirdsOf64(src: usize): v128 {
  const high = v128.load64_splat(src + 16);
  return i64x2.shuffle(high, i16x8.shr_u(high, 1), 0, 3);
}

/** A row of 64 channels: two eighths lie in a register. */
@inline
function unpackThree64(dst: usize, src: usize, three: v128, four: v128): void {
  const low = v128.load(src);
  const high = thirdsOf64(src);
  v128.store(dst, threes(low, high, 0, three, four));
  v128.store(dst, threes(low, high, 2, three, four), 16);
  v128.store(dst, threes(low, high, 4, three, four), 32);
  v128.store(dst, threes(low, high, 6, three, four), 48);
}


@inline
function unpackFours(dst: usize, src: usize, d: i32): void {
  const half = (<usize>d) >> 1;
  let i: usize = 0;
  for (; i + 16 <= half; i += 16) unpackFour(dst + i, src + i, half, 16);
  for (; i < half; i += 4) unpackFour(dst + i, src + i, half, 4);
}


@inline
function unpackThrees(dst: usize, src: usize, d: i32): void {
  const eighth = (<usize>d) >> 3;
  let i: usize = 0;
  for (; i + 16 <= eighth; i += 16) unpackThree(dst + i, src + i, eighth, 16);
  for (; i + 8 <= eighth; i += 8) unpackThree(dst + i, src + i, eighth, 8);
  for (; i + 4 <= eighth; i += 4) unpackThree(dst + i, src + i, eighth, 4);
  for (; i < eighth; i++) {
    const third = <u32>load<u8>(src + 2 * eighth + i);
    for (let e: u32 = 0; e < 8; e++) {
      const two = (<u32>load<u8>(src + <usize>(e & 1) * eighth + i)) >> (e & 6);
      store<u8>(dst + <usize>e * eighth + i, (two & 3) | (((third >> e) & 1) << 2));
    }
  }
}

/** dst u8 [n, d] | src rows of 3 or 4 bits, `bytes` apart */
export function unpackBytes(dst: usize, src: usize, bytes: usize, n: i32, d: i32, bits: i32): void {
  if (bits == 4)
    for (let i = 0; i < n; i++, dst += <usize>d, src += bytes) unpackFours(dst, src, d);
  else if (d == 64) {
    const three = constant(THREES);
    const four = constant(FOURS);
    for (let i = 0; i < n; i++, dst += 64, src += bytes) unpackThree64(dst, src, three, four);
  } else for (let i = 0; i < n; i++, dst += <usize>d, src += bytes) unpackThrees(dst, src, d);
}

/** Bytes of two rows in turn: dst u8 [16, 2], or [8, 2] of the first 8 of each. */
@inline
function storePairs(dst: usize, a: v128, b: v128, size: i32): void {
  v128.store(dst, i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
  if (size == 8) return;
  v128.store(
    dst,
    i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31),
    16,
  );
}

/** Two rows of bytes, channel by channel: dst u8 [d, 2] | a, b u8 [d], d % 8 == 0 */
@inline
function pairBytes(dst: usize, a: usize, b: usize, d: i32): void {
  let j: usize = 0;
  for (; j + 16 <= <usize>d; j += 16)
    storePairs(dst + 2 * j, loadBytes(a + j, 16), loadBytes(b + j, 16), 16);
  if (j < <usize>d) storePairs(dst + 2 * j, loadBytes(a + j, 8), loadBytes(b + j, 8), 8);
}

/** The same of rows of 4 bits: a, b codes, d % 32 == 0 */
@inline
function pairFours(dst: usize, a: usize, b: usize, d: i32): void {
  const half = (<usize>d) >> 1;
  const fifteens = constant(FIFTEENS);
  for (let i: usize = 0; i < half; i += 16) {
    const x = v128.load(a + i);
    const y = v128.load(b + i);
    storePairs(dst + 2 * i, v128.and(x, fifteens), v128.and(y, fifteens), 16);
    const high = v128.and(i16x8.shr_u(x, 4), fifteens);
    storePairs(dst + 2 * (half + i), high, v128.and(i16x8.shr_u(y, 4), fifteens), 16);
  }
}

/** The same of two rows of 3 bits and 64 channels. */
@inline
function pairThrees64(dst: usize, a: usize, b: usize): void {
  const three = constant(THREES);
  const four = constant(FOURS);
  const x = v128.load(a);
  const y = v128.load(b);
  const xs = thirdsOf64(a);
  const ys = thirdsOf64(b);
  storePairs(dst, threes(x, xs, 0, three, four), threes(y, ys, 0, three, four), 16);
  storePairs(dst + 32, threes(x, xs, 2, three, four), threes(y, ys, 2, three, four), 16);
  storePairs(dst + 64, threes(x, xs, 4, three, four), threes(y, ys, 4, three, four), 16);
  storePairs(dst + 96, threes(x, xs, 6, three, four), threes(y, ys, 6, three, four), 16);
}

/**
 * Rows two by two, channel by channel: dst u8 [n / 2, d, 2], the last one twice where n is odd | src
 * rows of 3, 4 or 8 bits, `bytes` apart | two u8 [2, d]
 */
export function pairRows(
  dst: usize,
  src: usize,
  bytes: usize,
  n: i32,
  d: i32,
  bits: i32,
  two: usize,
): void {
  const wide = (<usize>d) << 1;
  for (let i = 0; i < n; i += 2, src += 2 * bytes, dst += wide) {
    const next = i + 1 < n ? bytes : 0;
    if (bits == 8) pairBytes(dst, src, src + next, d);
    else if (bits == 4 && (d & 31) == 0) pairFours(dst, src, src + next, d);
    else if (bits == 3 && d == 64) pairThrees64(dst, src, src + next);
    else {
      unpackBytes(two, src, next, 2, d, bits);
      pairBytes(dst, two, two + <usize>d, d);
    }
  }
}
