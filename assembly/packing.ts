// Activations as they travel: each channel of x [t, d] rounded on a grid of its own, 1 to 8 bits a
// number, channels one behind the other as a stream of bits, lowest first (docs/algorithms.md,
// 'Mixed-bit frames'):
//
//   bit:  | channel 0: t codes of bits[0] | channel 1: t codes of bits[1] | ... | zeros to a byte |
//
// Two machines must read the same numbers out of it: multiplications and additions are never fused.
//
// 256 channels at a time, so that what is read or written of a row is some lines of cache. Between x
// and the stream they lie in scratch as codes of one byte:
//
//   scratch:  [256 channels][stride] | factor f32 [256] | largest code f32 [256]
//   stride = t rounded up to 16, + 16 (so that columns lie in different cache sets)

import { storeColumns } from './simd';

const BLOCK: i32 = 256;
/** Adding it to a number from 0 to 2^22 leaves that, rounded to even on ties, in the low bits. */
const ROUND: f32 = 12582912; // 1.5 * 2^23, 0x4b400000
/** What is left of ROUND in four sums, each shifted a byte further than the one before, by xor. */
const REST: i32 = 0x4b400000 ^ 0x40000000; // the first, and the second

/** Bytes from one channel's codes to the next one's. */
@inline
function strideOf(t: i32): usize {
  return ((<usize>t + 15) & ~15) + 16;
}

/** Bytes of scratch for packing and unpacking t tokens: codes, and two numbers for each channel. */
export function packing_scratch(t: i32): i32 {
  return BLOCK * (<i32>strideOf(t) + 8);
}

/**
 * The least and the largest of each channel. Returns 1 where all are finite, else 0.
 * lo, hi f32 [d] | x f32 [t, d], t > 0
 */
export function channel_ranges(lo: usize, hi: usize, x: usize, t: i32, d: i32): i32 {
  const row = (<usize>d) << 2;
  const lanes = (<usize>(d & ~3)) << 2;
  memory.copy(lo, x, row);
  memory.copy(hi, x, row);
  let odd = f32x4.splat(0); // x - x: NaN where x is none or infinite
  let oddOne: f32 = 0;
  for (let i = 0; i < t; i += 2, x += 2 * row) {
    const y = i + 1 < t ? x + row : x;
    for (let j: usize = 0; j < lanes; j += 16) {
      const a = v128.load(x + j);
      const b = v128.load(y + j);
      v128.store(lo + j, f32x4.pmin(v128.load(lo + j), f32x4.pmin(a, b)));
      v128.store(hi + j, f32x4.pmax(v128.load(hi + j), f32x4.pmax(a, b)));
      odd = v128.or(odd, v128.or(f32x4.sub(a, a), f32x4.sub(b, b)));
    }
    for (let j = lanes; j < row; j += 4) {
      const a = load<f32>(x + j);
      const b = load<f32>(y + j);
      store<f32>(lo + j, min<f32>(load<f32>(lo + j), min<f32>(a, b)));
      store<f32>(hi + j, max<f32>(load<f32>(hi + j), max<f32>(a, b)));
      oddOne += a - a + (b - b);
    }
  }
  return oddOne == 0 && !v128.any_true(f32x4.ne(odd, odd)) ? 1 : 0;
}

/** Four numbers on their grids: ROUND and the code in the low bits. */
@inline
function code4(x: usize, lo: v128, by: v128, most: v128, round: v128): v128 {
  const at = f32x4.mul(f32x4.sub(v128.load(x), lo), by);
  return f32x4.add(f32x4.pmin(most, f32x4.pmax(f32x4.splat(0), at)), round);
}

/** Codes of four tokens: lane j has channel j's, the first token in the lowest byte. */
@inline
function code16(
  x: usize,
  row: usize,
  lo: v128,
  by: v128,
  most: v128,
  round: v128,
  rest: v128,
): v128 {
  const a = code4(x, lo, by, most, round);
  const b = i32x4.shl(code4(x + row, lo, by, most, round), 8);
  const c = i32x4.shl(code4(x + 2 * row, lo, by, most, round), 16);
  const e = i32x4.shl(code4(x + 3 * row, lo, by, most, round), 24);
  return v128.xor(v128.xor(v128.xor(a, b), v128.xor(c, e)), rest);
}

/** One number on its grid. */
@inline
function code1(x: f32, lo: f32, by: f32, most: f32): u8 {
  const inside = min<f32>(most, max<f32>(0, (x - lo) * by));
  return <u8>(reinterpret<u32>(inside + ROUND) & 0xff);
}


@inline
function mostOf(bits: usize): f32 {
  return <f32>((1 << (<i32>load<u8>(bits))) - 1);
}

/**
 * Codes of n channels, n <= 256: codes u8 [256, stride] | x f32 [t, n] row bytes apart | lo, by, most
 * f32 [n]
 */
function codesOf(
  codes: usize,
  x: usize,
  row: usize,
  lo: usize,
  by: usize,
  most: usize,
  t: i32,
  n: i32,
): void {
  const stride = strideOf(t);
  const tiles = t & ~15;
  const wide = n & ~3;
  const round = f32x4.splat(ROUND);
  const rest = i32x4.splat(REST);
  for (let i = 0; i < tiles; i += 16) {
    const from = x + <usize>i * row;
    let to = codes + <usize>i;
    for (let at: usize = 0; at < (<usize>wide) << 2; at += 16, to += 4 * stride) {
      const least = v128.load(lo + at);
      const factor = v128.load(by + at);
      const top = v128.load(most + at);
      const p = from + at;
      const a = code16(p, row, least, factor, top, round, rest);
      const b = code16(p + 4 * row, row, least, factor, top, round, rest);
      const c = code16(p + 8 * row, row, least, factor, top, round, rest);
      const e = code16(p + 12 * row, row, least, factor, top, round, rest);
      storeColumns(to, stride, a, b, c, e);
    }
  }
  for (let j = 0; j < n; j++) {
    const at = (<usize>j) << 2;
    const least = load<f32>(lo + at);
    const factor = load<f32>(by + at);
    const top = load<f32>(most + at);
    const to = codes + <usize>j * stride;
    for (let i = j < wide ? tiles : 0; i < t; i++)
      store<u8>(to + <usize>i, code1(load<f32>(x + <usize>i * row + at), least, factor, top));
  }
}

/** The lowest `count` bits, count < 64. */
@inline
function low(count: i32): u64 {
  return ((<u64>1) << count) - 1;
}

/**
 * Writes one channel's codes of w bits from bit `bit` of out on, which ends at `end`. What lies
 * before in its first byte stays. codes u8 [t]
 */
function packChannel(out: usize, end: usize, bit: u64, codes: usize, t: i32, w: i32): void {
  const even8 = i16x8.splat(<i16>low(w));
  const even16 = i32x4.splat(<i32>low(2 * w));
  const even32 = i64x2.splat(<i64>low(4 * w));
  let p = out + <usize>(bit >> 3);
  // eight codes are w bytes, so that it stays
  const shift = <i32>(bit & 7);
  const bytes = <usize>w;
  let before: u64 = shift > 0 ? load<u8>(p) : 0;
  let i = 0;
  for (; i + 16 <= t && p + bytes + 9 <= end; i += 16) {
    // neighbours pushed together: 8 codes in each half
    let a = v128.load(codes + <usize>i);
    a = v128.bitselect(a, i16x8.shr_u(a, 8 - w), even8);
    a = v128.bitselect(a, i32x4.shr_u(a, 16 - 2 * w), even16);
    a = v128.bitselect(a, i64x2.shr_u(a, 32 - 4 * w), even32);
    if (shift == 0) {
      v128.store64_lane(p, a, 0);
      v128.store64_lane(p + bytes, a, 1);
    } else {
      const first = <u64>i64x2.extract_lane(a, 0);
      const second = <u64>i64x2.extract_lane(a, 1);
      store<u64>(p, before | (first << shift));
      before = first >> (8 * w - shift);
      store<u64>(p + bytes, before | (second << shift));
      before = second >> (8 * w - shift);
    }
    p += 2 * bytes;
  }
  let held = shift;
  for (; i < t; i++) {
    before |= (<u64>load<u8>(codes + <usize>i)) << held;
    held += w;
    if (held < 8) continue;
    store<u8>(p++, <u8>before);
    before >>= 8;
    held -= 8;
  }
  if (held > 0) store<u8>(p, <u8>before);
}

/** The way back: codes u8 [t] from bit `bit` of `packed` on. */
function unpackChannel(codes: usize, packed: usize, end: usize, bit: u64, t: i32, w: i32): void {
  const even8 = i16x8.splat(<i16>low(w));
  const even16 = i32x4.splat(<i32>low(2 * w));
  const even32 = i64x2.splat(<i64>low(4 * w));
  const one = i8x16.splat(<i8>low(w));
  let p = packed + <usize>(bit >> 3);
  const shift = <i32>(bit & 7);
  const bytes = <usize>w;
  let i = 0;
  for (; i + 16 <= t && p + bytes + 9 <= end; i += 16, p += 2 * bytes) {
    let a = v128.load64_lane(p + bytes, v128.load64_zero(p), 1);
    if (shift > 0) {
      const above = v128.load8_lane(p + bytes + 8, v128.load8_splat(p + 8), 8);
      a = v128.or(i64x2.shr_u(a, shift), i64x2.shl(above, 64 - shift));
    }
    // what is not selected leaves something above a code
    a = v128.bitselect(a, i64x2.shl(a, 32 - 4 * w), even32);
    a = v128.bitselect(a, i32x4.shl(a, 16 - 2 * w), even16);
    a = v128.bitselect(a, i16x8.shl(a, 8 - w), even8);
    v128.store(codes + <usize>i, v128.and(a, one));
  }
  let at = shift;
  for (; i < t; i++, at += w) {
    const q = p + <usize>(at >> 3);
    const high: u32 = q + 1 < end ? load<u8>(q + 1) : 0;
    const both = (<u32>load<u8>(q)) | (high << 8);
    store<u8>(codes + <usize>i, <u8>((both >> (at & 7)) & (<u32>low(w))));
  }
}

/** Where the stream of t tokens ends. */
function endOf(out: usize, bits: usize, t: i32, d: i32): usize {
  let sum: u64 = 0;
  for (let j = 0; j < d; j++) sum += <u64>load<u8>(bits + <usize>j);
  return out + <usize>((sum * <u64>t + 7) >> 3);
}

/**
 * out u8 [(t * sum of bits + 7) / 8] | x f32 [t, d] finite | lo, hi f32 [d] | bits u8 [d], 1 to 8 |
 * scratch u8 [packing_scratch(t)]
 */
export function pack_channels(
  out: usize,
  x: usize,
  lo: usize,
  hi: usize,
  bits: usize,
  scratch: usize,
  t: i32,
  d: i32,
): void {
  const row = (<usize>d) << 2;
  const stride = strideOf(t);
  const by = scratch + <usize>BLOCK * stride;
  const most = by + ((<usize>BLOCK) << 2);
  const end = endOf(out, bits, t, d);
  let bit: u64 = 0;
  for (let j0 = 0; j0 < d; j0 += BLOCK) {
    const n = min(BLOCK, d - j0);
    const at = (<usize>j0) << 2;
    const widths = bits + <usize>j0;
    for (let j = 0; j < n; j++) {
      const p = (<usize>j) << 2;
      const range = load<f32>(hi + at + p) - load<f32>(lo + at + p);
      const top = mostOf(widths + <usize>j);
      store<f32>(most + p, top);
      store<f32>(by + p, range > 0 ? top / range : 0);
    }
    codesOf(scratch, x + at, row, lo + at, by, most, t, n);
    for (let j = 0; j < n; j++) {
      const w = <i32>load<u8>(widths + <usize>j);
      packChannel(out, end, bit, scratch + <usize>j * stride, t, w);
      bit += <u64>t * <u64>w;
    }
  }
}

/** Four tokens of four channels, from codes as code16() makes them. */
@inline
function widen16(x: usize, row: usize, codes: v128, lo: v128, step: v128, byte: v128): void {
  const a = f32x4.convert_i32x4_s(v128.and(codes, byte));
  const b = f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(codes, 8), byte));
  const c = f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(codes, 16), byte));
  const e = f32x4.convert_i32x4_s(i32x4.shr_u(codes, 24));
  v128.store(x, f32x4.add(f32x4.mul(a, step), lo));
  v128.store(x + row, f32x4.add(f32x4.mul(b, step), lo));
  v128.store(x + 2 * row, f32x4.add(f32x4.mul(c, step), lo));
  v128.store(x + 3 * row, f32x4.add(f32x4.mul(e, step), lo));
}

/** Numbers of n channels, n <= 256, from codes: arguments as in codesOf(), step f32 [n] */
function numbersOf(
  x: usize,
  codes: usize,
  row: usize,
  lo: usize,
  step: usize,
  t: i32,
  n: i32,
): void {
  const stride = strideOf(t);
  const tiles = t & ~15;
  const wide = n & ~3;
  const byte = i32x4.splat(0xff);
  for (let i = 0; i < tiles; i += 16) {
    const to = x + <usize>i * row;
    for (let j = 0; j < wide; j += 4) {
      const at = (<usize>j) << 2;
      const least = v128.load(lo + at);
      const factor = v128.load(step + at);
      const from = codes + <usize>j * stride + <usize>i;
      const a = v128.load(from);
      const b = v128.load(from + stride);
      const c = v128.load(from + 2 * stride);
      const e = v128.load(from + 3 * stride);
      const ab0 = i32x4.shuffle(a, b, 0, 4, 1, 5);
      const ab1 = i32x4.shuffle(a, b, 2, 6, 3, 7);
      const ce0 = i32x4.shuffle(c, e, 0, 4, 1, 5);
      const ce1 = i32x4.shuffle(c, e, 2, 6, 3, 7);
      const p = to + at;
      widen16(p, row, i64x2.shuffle(ab0, ce0, 0, 2), least, factor, byte);
      widen16(p + 4 * row, row, i64x2.shuffle(ab0, ce0, 1, 3), least, factor, byte);
      widen16(p + 8 * row, row, i64x2.shuffle(ab1, ce1, 0, 2), least, factor, byte);
      widen16(p + 12 * row, row, i64x2.shuffle(ab1, ce1, 1, 3), least, factor, byte);
    }
  }
  for (let j = 0; j < n; j++) {
    const at = (<usize>j) << 2;
    const least = load<f32>(lo + at);
    const factor = load<f32>(step + at);
    const from = codes + <usize>j * stride;
    for (let i = j < wide ? tiles : 0; i < t; i++)
      store<f32>(x + <usize>i * row + at, <f32>load<u8>(from + <usize>i) * factor + least);
  }
}

/** The way back: x is written, `packed` is what pack_channels() wrote. Arguments as there. */
export function unpack_channels(
  x: usize,
  packed: usize,
  lo: usize,
  hi: usize,
  bits: usize,
  scratch: usize,
  t: i32,
  d: i32,
): void {
  const row = (<usize>d) << 2;
  const stride = strideOf(t);
  const step = scratch + <usize>BLOCK * stride;
  const end = endOf(packed, bits, t, d);
  let bit: u64 = 0;
  for (let j0 = 0; j0 < d; j0 += BLOCK) {
    const n = min(BLOCK, d - j0);
    const at = (<usize>j0) << 2;
    for (let j = 0; j < n; j++) {
      const p = (<usize>j) << 2;
      const w = <i32>load<u8>(bits + <usize>(j0 + j));
      const range = load<f32>(hi + at + p) - load<f32>(lo + at + p);
      store<f32>(step + p, range / mostOf(bits + <usize>(j0 + j)));
      unpackChannel(scratch + <usize>j * stride, packed, end, bit, t, w);
      bit += <u64>t * <u64>w;
    }
    numbersOf(x + at, scratch, row, lo + at, step, t, n);
  }
}
