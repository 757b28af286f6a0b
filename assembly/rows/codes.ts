// Codes of few bits: numbers rounded on a scale of the row's own.
//
//   code = round((y - lo) / step), step = (max - min) / (2^bits - 1)
//   row:  [codes, bits * d / 8 bytes | up to 3 bytes of padding to a multiple of 4 | step, lo: f16]
//   int8  byte j is code j
//   int4  byte i < d / 2 holds code i low, code d / 2 + i high
//   int3  two planes: byte i < d / 4 holds the low two bits of codes i, d / 4 + i, d / 2 + i,
//         3 d / 4 + i, lowest first;
//         byte i < d / 8 behind them holds the third bit of codes i, d / 8 + i, ..., lowest first
//
// d % 8 == 0.
import { constant, loadHalf, madd, maxLanes, minLanes, rounded, toHalves } from '../simd';

/** Channels of a row of codes are a multiple of this. */
export const CODE_CHANNELS: i32 = 8;
/** Bytes behind the codes: step and lo, or the number of what a row names (kivi.ts). */
export const TAIL_BYTES: i32 = 4;

/** Bytes of a row of d codes, and its tail. */
@inline
export function codeBytes(d: i32, bits: i32): usize {
  return (<usize>(d * bits) / 8 + TAIL_BYTES + 3) & ~3;
}

/**
 * Rows that are rounded together: a scale is a long chain of steps, and those of several rows
 * overlap.
 */
export const ROUNDED_ROWS: i32 = 8;

/**
 * Stores n rows, at most ROUNDED_ROWS, as they are (rotated before, where they should be): dst rows
 * ldd bytes | y f32 [n, d]
 */
export function quantizeRows(dst: usize, y: usize, n: i32, d: i32, bits: i32, ldd: usize): void {
  const wide = (<usize>d) << 2;
  for (let i: usize = 0; i < <usize>n; i++) scaleRow(dst + i * ldd, y + i * wide, d, bits);
  for (let i: usize = 0; i < <usize>n; i++) codeRow(dst + i * ldd, y + i * wide, d, bits);
}

/** The same for rows that lie apart, the i-th at rows + list[i] * bytes of a row. */
export function quantizeListed(
  rows: usize,
  list: usize,
  y: usize,
  n: i32,
  d: i32,
  bits: i32,
): void {
  const wide = (<usize>d) << 2;
  const bytes = codeBytes(d, bits);
  for (let i: usize = 0; i < <usize>n; i++)
    scaleRow(rows + <usize>load<i32>(list + (i << 2)) * bytes, y + i * wide, d, bits);
  for (let i: usize = 0; i < <usize>n; i++)
    codeRow(rows + <usize>load<i32>(list + (i << 2)) * bytes, y + i * wide, d, bits);
}

/** Stores step and lo of one row: dst row | y f32 [d] */
function scaleRow(dst: usize, y: usize, d: i32, bits: i32): void {
  let least = v128.load(y);
  let most = least;
  let least1 = v128.load(y, 16);
  let most1 = least1;
  const end = y + ((<usize>d) << 2);
  let p = y + 32;
  for (; p + 64 <= end; p += 64) {
    const a = v128.load(p);
    const b = v128.load(p, 16);
    const c = v128.load(p, 32);
    const e = v128.load(p, 48);
    least = f32x4.pmin(f32x4.pmin(least, a), c);
    most = f32x4.pmax(f32x4.pmax(most, a), c);
    least1 = f32x4.pmin(f32x4.pmin(least1, b), e);
    most1 = f32x4.pmax(f32x4.pmax(most1, b), e);
  }
  for (; p < end; p += 16) {
    const a = v128.load(p);
    least = f32x4.pmin(least, a);
    most = f32x4.pmax(most, a);
  }
  least = f32x4.pmin(least, least1);
  most = f32x4.pmax(most, most1);
  const levels = <f32>((1 << bits) - 1);
  const lo = minLanes(least);
  const hi = maxLanes(most);
  const at = dst + codeBytes(d, bits) - 4;
  store<u32>(at - 4, 0); // padding, or codes that are still to come
  storeScale(at, (hi - lo) / levels, lo);
}

/** Stores the codes of one row, its step and lo being there: dst row | y f32 [d] */
function codeRow(dst: usize, y: usize, d: i32, bits: i32): void {
  const at = dst + codeBytes(d, bits) - 4;
  const levels = <f32>((1 << bits) - 1);
  const step = loadHalf(at);
  const zero = f32x4.splat(loadHalf(at + 2));
  const by = f32x4.splat(step > 0 ? <f32>1 / step : 0);
  const top = f32x4.splat(levels);
  if (bits == 8) {
    let j: usize = 0;
    for (; j + 16 <= <usize>d; j += 16) {
      const p = y + (j << 2);
      // narrowing cuts to 0 .. 255
      const low = i16x8.narrow_i32x4_s(rounded4(p, zero, by), rounded4(p + 16, zero, by));
      const high = i16x8.narrow_i32x4_s(rounded4(p + 32, zero, by), rounded4(p + 48, zero, by));
      v128.store(dst + j, i8x16.narrow_i16x8_u(low, high));
    }
    for (; j < <usize>d; j += 4) store4(dst + j, codes4(y + (j << 2), zero, by, top));
    return;
  }
  if (bits == 4) {
    const half = (<usize>d) >> 1;
    for (let j: usize = 0; j < half; j += 4) {
      const high = codes4(y + ((half + j) << 2), zero, by, top);
      store4(dst + j, v128.or(codes4(y + (j << 2), zero, by, top), i32x4.shl(high, 4)));
    }
    return;
  }
  if ((d & 31) == 0) {
    const quarter = (<usize>d) >> 2;
    const eighth = quarter >> 1;
    for (let i: usize = 0; i < eighth; i += 4) {
      let third = i32x4.splat(0);
      let first = third;
      let second = third;
      for (let e: u32 = 0; e < 8; e++) {
        const q = codes4(y + ((<usize>e * eighth + i) << 2), zero, by, top);
        third = v128.or(third, i32x4.shl(i32x4.shr_u(q, 2), e));
        const two = i32x4.shl(v128.and(q, constant(THREE)), 2 * (e >> 1));
        if ((e & 1) == 0) first = v128.or(first, two);
        else second = v128.or(second, two);
      }
      store4(dst + i, first);
      store4(dst + eighth + i, second);
      store4(dst + quarter + i, third);
    }
    return;
  }
  memory.fill(dst, 0, at - dst);
  for (let j = 0; j < d; j++)
    put(
      dst,
      j,
      d,
      bits,
      <u32>(
        code1(load<f32>(y + ((<usize>j) << 2)), loadHalf(at + 2), f32x4.extract_lane(by, 0), levels)
      ),
    );
}

const THREE: usize = memory.data<u32>([3]);
const FIFTEEN: usize = memory.data<u32>([15]);
const ONE: usize = memory.data<u32>([1]);

/** Four numbers rounded to codes, one a lane, not cut to what there is. */
@inline
function rounded4(y: usize, zero: v128, by: v128): v128 {
  const scaled = f32x4.mul(f32x4.sub(v128.load(y), zero), by);
  return rounded(scaled);
}

/** Codes of four numbers, one a lane. */
@inline
function codes4(y: usize, zero: v128, by: v128, levels: v128): v128 {
  const scaled = f32x4.mul(f32x4.sub(v128.load(y), zero), by);
  const clamped = f32x4.pmin(levels, f32x4.pmax(f32x4.splat(0), scaled));
  return rounded(clamped);
}

/** A step and what code 0 stands for, as f16. */
@inline
function storeScale(at: usize, step: f32, lo: f32): void {
  const pair = f32x4.replace_lane(f32x4.splat(lo), 0, step);
  store<u32>(at, i32x4.extract_lane(toHalves(pair), 0));
}

/** Code of one number, the same as a lane of codes4. */
@inline
export function code1(y: f32, zero: f32, by: f32, levels: f32): f32 {
  return nearest<f32>(min(levels, max<f32>(0, (y - zero) * by)));
}

/** Four lanes below 256 as four bytes. */
@inline
function store4(p: usize, lanes: v128): void {
  const narrow = i16x8.narrow_i32x4_s(lanes, lanes);
  v128.store32_lane(p, i8x16.narrow_i16x8_u(narrow, narrow), 0);
}

/** Puts code j into a row of zeros. */
@inline
export function put(dst: usize, j: i32, d: i32, bits: i32, q: u32): void {
  if (bits == 8) {
    store<u8>(dst + <usize>j, q);
  } else if (bits == 4) {
    const half = d >> 1;
    add(dst + <usize>(j < half ? j : j - half), j < half ? q : q << 4);
  } else {
    const quarter = d >> 2;
    const eighth = d >> 3;
    const two = <usize>(j % quarter);
    const third = <usize>(quarter + (j % eighth));
    add(dst + two, (q & 3) << (2 * (j / quarter)));
    add(dst + third, (q >> 2) << (j / eighth));
  }
}


@inline
function add(p: usize, bits: u32): void {
  store<u8>(p, load<u8>(p) | (<u8>bits));
}

/** Four bytes at p as u32 lanes. */
@inline
function loadBytes(p: usize): v128 {
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(p)));
}


@inline
function place(to: usize, codes: v128, step: v128, lo: v128): void {
  v128.store(to, madd(lo, f32x4.convert_i32x4_s(codes), step));
}

/** Widens one row, as it was stored: dst f32 [d] | src row */
export function dequantizeRow(dst: usize, src: usize, d: i32, bits: i32): void {
  const at = src + codeBytes(d, bits) - 4;
  unpackCodes(dst, src, d, bits, f32x4.splat(loadHalf(at)), f32x4.splat(loadHalf(at + 2)));
}

/** dst[j] = code j * step + lo: dst f32 [d] | src codes */
@inline
export function unpackCodes(dst: usize, src: usize, d: i32, bits: i32, step: v128, lo: v128): void {
  if (bits == 8) {
    let j: usize = 0;
    for (; j + 16 <= <usize>d; j += 16) {
      const bytes = v128.load(src + j);
      const low = i16x8.extend_low_i8x16_u(bytes);
      const high = i16x8.extend_high_i8x16_u(bytes);
      const to = dst + (j << 2);
      place(to, i32x4.extend_low_i16x8_u(low), step, lo);
      place(to + 16, i32x4.extend_high_i16x8_u(low), step, lo);
      place(to + 32, i32x4.extend_low_i16x8_u(high), step, lo);
      place(to + 48, i32x4.extend_high_i16x8_u(high), step, lo);
    }
    for (; j < <usize>d; j += 4) place(dst + (j << 2), loadBytes(src + j), step, lo);
    return;
  }
  if (bits == 4) {
    const half = (<usize>d) >> 1;
    for (let i: usize = 0; i < half; i += 4) {
      const bytes = loadBytes(src + i);
      place(dst + (i << 2), v128.and(bytes, constant(FIFTEEN)), step, lo);
      place(dst + ((half + i) << 2), i32x4.shr_u(bytes, 4), step, lo);
    }
    return;
  }
  const quarter = (<usize>d) >> 2;
  const eighth = quarter >> 1;
  const high = src + quarter;
  if ((eighth & 3) != 0) {
    for (let j: usize = 0; j < <usize>d; j++) {
      const two = ((<u32>load<u8>(src + (j % quarter))) >> (2 * <u32>(j / quarter))) & 3;
      const third = ((<u32>load<u8>(high + (j % eighth))) >> (<u32>(j / eighth))) & 1;
      store<f32>(
        dst + (j << 2),
        <f32>(two | (third << 2)) * f32x4.extract_lane(step, 0) + f32x4.extract_lane(lo, 0),
      );
    }
    return;
  }
  for (let e: u32 = 0; e < 8; e++) {
    const first = <usize>e * eighth;
    const low = src + (first % quarter);
    for (let i: usize = 0; i < eighth; i += 4) {
      const two = v128.and(i32x4.shr_u(loadBytes(low + i), 2 * (e >> 1)), constant(THREE));
      const third = v128.and(i32x4.shr_u(loadBytes(high + i), e), constant(ONE));
      place(dst + ((first + i) << 2), v128.or(two, i32x4.shl(third, 2)), step, lo);
    }
  }
}
