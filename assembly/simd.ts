// Lane helpers that every kernel shares, and the only file that knows of relaxed SIMD. Only
// relaxed_simd leaves the module.

/** Bytes of n numbers. */
@inline
export function floats(n: i32): usize {
  return (<usize>n) << 2;
}

/**
 * A constant of a loop, from static memory: `const LOG2E = memory.data<f32>([1.4427])`, then
 * constant(LOG2E). Written as a splat it would be made anew in every pass (engines do not keep
 * vector constants in registers): two 64-bit moves and two inserts, where this is one load.
 */
@inline
export function constant(at: usize): v128 {
  return v128.load32_splat(at);
}

/** acc + a * b, fused where the build has relaxed SIMD (one rounding instead of two). */
@inline
export function madd(acc: v128, a: v128, b: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(a, b, acc) : f32x4.add(acc, f32x4.mul(a, b));
}

/** acc + the four sums of products of neighbouring i16 lanes. */
@inline
export function dotAdd(acc: v128, a: v128, b: v128): v128 {
  return i32x4.add(acc, i32x4.dot_i16x8_s(a, b));
}

/** acc + sums of four neighbours' products, x i8 and w bytes (eight-bits.ts). */
@inline
export function dotQuadsRelaxed(acc: v128, x: v128, w: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? v128.relaxed_dot_add<i32>(x, w, acc) : acc;
}

/** Sums of two neighbours' products as i16, the same. */
@inline
export function dotPairsRelaxed(x: v128, w: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? v128.relaxed_dot<i16>(x, w) : x;
}

/** Bytes of a table by their numbers, below 16. */
@inline
export function choose(table: v128, numbers: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD
    ? i8x16.relaxed_swizzle(table, numbers)
    : i8x16.swizzle(table, numbers);
}

/**
 * Asks for the cache line at p, which is to be read soon: a load that nothing waits for. Processors
 * fetch ahead where addresses follow one another; rows that are read side by side do not.
 */
@inline
export function fetch(p: usize): void {
  load<u8>(p);
}

/** The same of a row of lines. */
@inline
export function fetchAll(p: usize, bytes: usize): void {
  for (const end = p + bytes; p < end; p += 64) fetch(p);
}

/** x = x * by. x f32 [bytes / 4] in place, bytes a multiple of 16 */
@inline
export function scale(x: usize, by: f32, bytes: usize): void {
  const factor = f32x4.splat(by);
  for (let j: usize = 0; j < bytes; j += 16) v128.store(x + j, f32x4.mul(v128.load(x + j), factor));
}

/** Sum of the four f32 lanes. */
@inline
export function sumLanes(v: v128): f32 {
  const pairs = f32x4.add(v, i32x4.shuffle(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** Smallest of the four f32 lanes. */
@inline
export function minLanes(v: v128): f32 {
  const pairs = f32x4.pmin(v, i32x4.shuffle(v, v, 2, 3, 0, 1));
  return min(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/** Largest of the four f32 lanes. */
@inline
export function maxLanes(v: v128): f32 {
  const pairs = f32x4.pmax(v, i32x4.shuffle(v, v, 2, 3, 0, 1));
  return max(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/** Numbers i, a constant, of four rows. What several columns have in common is computed once. */
@inline
export function column(i: i32, a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i < 2 ? i32x4.shuffle(a, b, 0, 4, 1, 5) : i32x4.shuffle(a, b, 2, 6, 3, 7);
  const cd = i < 2 ? i32x4.shuffle(c, d, 0, 4, 1, 5) : i32x4.shuffle(c, d, 2, 6, 3, 7);
  return (i & 1) == 0 ? i64x2.shuffle(ab, cd, 0, 2) : i64x2.shuffle(ab, cd, 1, 3);
}

/**
 * Four rows of four numbers as columns: to[i] = (a[i], b[i], c[i], d[i]), i < 4, `step` bytes apart.
 * to f32 [4, 4]
 */
@inline
export function storeColumns(to: usize, step: usize, a: v128, b: v128, c: v128, d: v128): void {
  v128.store(to, column(0, a, b, c, d));
  v128.store(to + step, column(1, a, b, c, d));
  v128.store(to + 2 * step, column(2, a, b, c, d));
  v128.store(to + 3 * step, column(3, a, b, c, d));
}

/** Of each of four rows the largest of its numbers. */
@inline
export function maxOfEach(a: v128, b: v128, c: v128, d: v128): v128 {
  const low = f32x4.pmax(i32x4.shuffle(a, b, 0, 4, 1, 5), i32x4.shuffle(a, b, 2, 6, 3, 7));
  const high = f32x4.pmax(i32x4.shuffle(c, d, 0, 4, 1, 5), i32x4.shuffle(c, d, 2, 6, 3, 7));
  return f32x4.pmax(i64x2.shuffle(low, high, 0, 2), i64x2.shuffle(low, high, 1, 3));
}

/** Of each of four rows the sum of its numbers. */
@inline
export function sumOfEach(a: v128, b: v128, c: v128, d: v128): v128 {
  const first = f32x4.add(column(0, a, b, c, d), column(1, a, b, c, d));
  return f32x4.add(first, f32x4.add(column(2, a, b, c, d), column(3, a, b, c, d)));
}

/** The same of integers. */
@inline
export function sumOfEachInt(a: v128, b: v128, c: v128, d: v128): v128 {
  const first = i32x4.add(i32x4.shuffle(a, b, 0, 4, 1, 5), i32x4.shuffle(a, b, 2, 6, 3, 7));
  const second = i32x4.add(i32x4.shuffle(c, d, 0, 4, 1, 5), i32x4.shuffle(c, d, 2, 6, 3, 7));
  return i32x4.add(i64x2.shuffle(first, second, 0, 2), i64x2.shuffle(first, second, 1, 3));
}

/** Sum of the four i32 lanes. */
@inline
export function sumLanesInt(v: v128): i32 {
  const pairs = i32x4.add(v, i32x4.shuffle(v, v, 2, 3, 0, 1));
  return i32x4.extract_lane(pairs, 0) + i32x4.extract_lane(pairs, 1);
}

// what a number of [-2^21, 2^21] is added to so that the adder rounds it, half to even, and leaves
// it in the low bits
const MAGIC: usize = memory.data<f32>([12582912]); // 1.5 * 2^23
const MAGIC_BITS: usize = memory.data<u32>([0x4b400000]);

/** Four numbers of [-2^21, 2^21] as integers, rounded half to even. */
@inline
export function rounded(v: v128): v128 {
  return i32x4.sub(f32x4.add(v, constant(MAGIC)), constant(MAGIC_BITS));
}

// f16 s eeeee mmmmmmmmmm -> f32: the magnitude bits moved to 27..13 are the number times 2^-112,
// subnormals included. Infinities and NaN come out as finite numbers: no weight or cache row of a
// working model holds them.
const HALF_MASK: i32 = 0x8fffe000;
const HALF_SCALE: f32 = 5.192296858534828e33; // 2^112
const SIGN: usize = memory.data<i32>([0x80000000]);
const MASKS: usize = memory.data<i32>([HALF_MASK]);
const SCALES: usize = memory.data<f32>([HALF_SCALE]);

/** Four f16, each in an i32 lane with its sign extended, as f32x4. */
@inline
export function widen(halves: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shl(halves, 13), constant(MASKS)), constant(SCALES));
}

/** Four f16 at p as f32x4. */
@inline
export function loadHalves(p: usize): v128 {
  return widen(v128.load16x4_s(p));
}

const MAGNITUDE: usize = memory.data<i32>([HALF_MASK & 0x7fffffff]);
const REBIAS: usize = memory.data<i32>([112 << 23]);
const NORMAL: usize = memory.data<i32>([1 << 23]); // as moved bits, the smallest normal f16
const NORMAL_F32: usize = memory.data<f32>([6.103515625e-5]); // and as a number

/**
 * The same, where subnormals are common: products with those take processors some 60 cycles each. One
 * more in the exponent makes them numbers too large by the smallest normal one.
 */
@inline
export function loadSmallHalves(p: usize): v128 {
  const bits = i32x4.shl(v128.load16x4_s(p), 13);
  const magnitude = v128.and(bits, constant(MAGNITUDE));
  const small = i32x4.lt_s(magnitude, constant(NORMAL));
  const biased = i32x4.add(magnitude, constant(REBIAS));
  const whole = i32x4.add(biased, v128.and(small, constant(NORMAL)));
  const number = f32x4.sub(whole, v128.and(small, constant(NORMAL_F32)));
  return v128.or(number, v128.and(bits, constant(SIGN)));
}

/** Four bf16 at p as f32x4. */
@inline
export function loadBrainHalves(p: usize): v128 {
  return i32x4.shl(v128.load16x4_u(p), 16);
}

/** One f16 at p. */
@inline
export function loadHalf(p: usize): f32 {
  return reinterpret<f32>(((<i32>load<i16>(p)) << 13) & HALF_MASK) * HALF_SCALE;
}

/** dst f32 [d] | src f16 [d] */
@inline
export function widenHalves(dst: usize, src: usize, d: i32): void {
  let j: usize = 0;
  for (; j + 8 <= <usize>d; j += 8) {
    const halves = v128.load(src + (j << 1));
    v128.store(dst + (j << 2), widen(i32x4.extend_low_i16x8_s(halves)));
    v128.store(dst + (j << 2), widen(i32x4.extend_high_i16x8_s(halves)), 16);
  }
  for (; j + 4 <= <usize>d; j += 4) v128.store(dst + (j << 2), loadHalves(src + (j << 1)));
  for (; j < <usize>d; j++) store<f32>(dst + (j << 2), loadHalf(src + (j << 1)));
}

const LARGEST: usize = memory.data<f32>([65504]);
const EXPONENT: usize = memory.data<i32>([0x7f800000]);
const THIRTEEN: usize = memory.data<i32>([13 << 23]); // added to an exponent: 2^13 times the number
const HALF: usize = memory.data<i32>([(127 - 1) << 23]); // as f32, 0.5: its ulp is 2^-24
const TO_HALF: usize = memory.data<f32>([1.925929944387236e-34]); // 2^-112

/**
 * Four f32 as four f16 in the low 8 bytes, round to nearest even, saturated to +-65504.
 * Adding a number whose ulp is the target's makes the f32 adder do the rounding (normals and
 * subnormals alike).
 */
@inline
export function toHalves(v: v128): v128 {
  const sign = v128.and(v, constant(SIGN));
  const magnitude = f32x4.pmin(constant(LARGEST), v128.andnot(v, constant(SIGN)));
  const exponent = v128.and(magnitude, constant(EXPONENT));
  // the magic number is 2^13 times the power of two of v, and no less than what rounds at 2^-24,
  // the smallest subnormal
  const magic = i32x4.max_u(i32x4.add(exponent, constant(THIRTEEN)), constant(HALF));
  const rounded = f32x4.sub(f32x4.add(magnitude, magic), magic);
  const scaled = f32x4.mul(rounded, constant(TO_HALF));
  const half = v128.or(i32x4.shr_u(scaled, 13), i32x4.shr_u(sign, 16));
  return i8x16.shuffle(half, half, 0, 1, 4, 5, 8, 9, 12, 13, 0, 1, 4, 5, 8, 9, 12, 13);
}

/** Four f32 as four f16 at p. */
@inline
export function storeHalves(p: usize, v: v128): void {
  v128.store64_lane(p, toHalves(v), 0);
}

/** One f32 as f16 at p. */
@inline
export function storeHalf(p: usize, x: f32): void {
  v128.store16_lane(p, toHalves(f32x4.splat(x)), 0);
}

/** 1 in the build with relaxed SIMD, 0 in the others: so that a test can ask which one it got. */
export function relaxed_simd(): i32 {
  return ASC_FEATURE_RELAXED_SIMD ? 1 : 0;
}
