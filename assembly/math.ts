// Elementary functions on lanes, each with its error against f64; never exported from the module.
import { constant, madd, sumLanes } from './simd';

const LOG2E: usize = memory.data<f32>([1.44269504088896341]);
// exact in 10 bits, so n * LN2_HIGH is exact for |n| < 2^13
const MINUS_LN2_HIGH: usize = memory.data<f32>([-0.693359375]);
const MINUS_LN2_LOW: usize = memory.data<f32>([2.1219444e-4]);
const LEAST: usize = memory.data<f32>([-88]); // 2^-127 to us, and as bits of an f32 0
const MOST: usize = memory.data<f32>([88]);
// 1.5 * 2^23: what is added to it is rounded, and stands in the low bits
const MAGIC: usize = memory.data<f32>([12582912]);
const BIAS: usize = memory.data<i32>([127 << 23]);
const ONE: usize = memory.data<f32>([1]);
// e^r = 1 + r (P1 + r (P2 + ...)): least maximum of the relative error on |r| <= ln 2 / 2, 9.2e-8,
// and e^0 = 1 exactly
const P5: usize = memory.data<f32>([0.008290272124262702]);
const P4: usize = memory.data<f32>([0.041898159618617016]);
const P3: usize = memory.data<f32>([0.16667638127074855]);
const P2: usize = memory.data<f32>([0.4999914784113096]);
const P1: usize = memory.data<f32>([0.9999997063133895]);

/**
 * exp(x) for -88 <= x <= 88: x = n ln 2 + r, a polynomial for e^r, times 2^n. Its constants are
 * arguments, so that a loop loads them once, in front of it: loaded in every pass, attention was 2
 * to 4 hundredths slower.
 */
@inline
function expOf(
  x: v128,
  magic: v128,
  log2e: v128,
  high: v128,
  low: v128,
  p5: v128,
  p4: v128,
  p3: v128,
  p2: v128,
  p1: v128,
  one: v128,
  bias: v128,
): v128 {
  const shifted = madd(magic, x, log2e);
  const n = f32x4.sub(shifted, magic);
  const r = madd(madd(x, n, high), n, low);
  const p = madd(one, madd(p1, madd(p2, madd(p3, madd(p4, p5, r), r), r), r), r);
  return f32x4.mul(p, i32x4.add(i32x4.shl(shifted, 23), bias));
}

/**
 * exp(x) for four lanes. Relative error below 2e-7 on [-87, 88]; 0 below -87.7 (so exp(-inf) = 0
 * exactly), saturated above 88.
 */
@inline
export function exp4(x: v128): v128 {
  return expOf(
    f32x4.pmin(constant(MOST), f32x4.pmax(constant(LEAST), x)),
    constant(MAGIC),
    constant(LOG2E),
    constant(MINUS_LN2_HIGH),
    constant(MINUS_LN2_LOW),
    constant(P5),
    constant(P4),
    constant(P3),
    constant(P2),
    constant(P1),
    constant(ONE),
    constant(BIAS),
  );
}

/**
 * s[j] = exp(s[j] - base) for n numbers, rounded up to 4, none of them above its base: bases[j], or
 * of every fourth, `base`, where `bases` is 0. Sums of every fourth. Bit for bit what exp4 gives.
 */
@inline
function expAll(s: usize, n: i32, base: v128, bases: usize): v128 {
  const least = constant(LEAST);
  const magic = constant(MAGIC);
  const log2e = constant(LOG2E);
  const high = constant(MINUS_LN2_HIGH);
  const low = constant(MINUS_LN2_LOW);
  const p5 = constant(P5);
  const p4 = constant(P4);
  const p3 = constant(P3);
  const p2 = constant(P2);
  const p1 = constant(P1);
  const one = constant(ONE);
  const bias = constant(BIAS);
  const bytes = (<usize>n) << 2;
  let sum = f32x4.splat(0);
  for (let j: usize = 0; j < bytes; j += 16) {
    const from = bases != 0 ? v128.load(bases + j) : base;
    const x = f32x4.pmax(least, f32x4.sub(v128.load(s + j), from));
    const e = expOf(x, magic, log2e, high, low, p5, p4, p3, p2, p1, one, bias);
    v128.store(s + j, e);
    sum = f32x4.add(sum, e);
  }
  return sum;
}

/**
 * s[j] = exp(s[j] - base[j % 4]) for n numbers, rounded up to 4, none of them above base; sums of
 * every fourth. s f32 [n]
 */
@inline
export function expLanes(s: usize, n: i32, base: v128): v128 {
  return expAll(s, n, base, 0);
}

/** s[j] = exp(s[j] - bases[j]), likewise. s, bases f32 [n] */
export function expEach(s: usize, bases: usize, n: i32): void {
  expAll(s, n, f32x4.splat(0), bases);
}

/** The same with one base; the sum of all. */
@inline
export function expRow(s: usize, n: i32, base: f32): f32 {
  return sumLanes(expLanes(s, n, f32x4.splat(base)));
}

/** exp of one number, bit for bit what a lane of exp4 gives. */
@inline
export function exp1(x: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(x)), 0);
}

// sqrt(8 / pi), and 0.044715 of it
const GELU1: usize = memory.data<f32>([1.5957691216057308]);
const GELU3: usize = memory.data<f32>([0.07135481627260026]);
const GELU9: usize = memory.data<f32>([0.21406444881780078]); // 3 of it

/** x (GELU1 + GELU3 x^2): gelu(x) is x times its sigmoid. */
@inline
export function geluInner4(x: v128): v128 {
  return f32x4.mul(x, madd(constant(GELU1), constant(GELU3), f32x4.mul(x, x)));
}

/** The derivative of geluInner4. */
@inline
export function geluSlope4(x: v128): v128 {
  return madd(constant(GELU1), constant(GELU9), f32x4.mul(x, x));
}

/**
 * x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 = x * sigmoid(x (GELU1 + GELU3 x^2)) for four
 * lanes; absolute error below 4e-7 of |x|.
 */
@inline
export function gelu4(x: v128): v128 {
  return f32x4.div(x, f32x4.add(constant(ONE), exp4(f32x4.neg(geluInner4(x)))));
}

/** 1 / (1 + exp(-x)) for four lanes; relative error below 4e-7 above -87. */
@inline
export function sigmoid4(x: v128): v128 {
  return f32x4.div(constant(ONE), f32x4.add(constant(ONE), exp4(f32x4.neg(x))));
}

/** x * sigmoid(x) for four lanes; relative error below 4e-7. */
@inline
export function silu4(x: v128): v128 {
  return f32x4.div(x, f32x4.add(constant(ONE), exp4(f32x4.neg(x))));
}

// the slope and the bounds of clamped gates (gpt-oss)
const MINUS_SLOPE: usize = memory.data<f32>([-1.702]);
const CLAMP: usize = memory.data<f32>([7]);

/** g sigmoid(1.702 g) (u + 1), g = min(gate, 7), u = up from -7 to 7, for four lanes. */
@inline
export function clamped4(gate: v128, up: v128): v128 {
  const g = f32x4.min(gate, constant(CLAMP));
  const u = f32x4.max(f32x4.min(up, constant(CLAMP)), f32x4.neg(constant(CLAMP)));
  const e = exp4(f32x4.mul(g, constant(MINUS_SLOPE)));
  return f32x4.mul(f32x4.div(g, f32x4.add(constant(ONE), e)), f32x4.add(u, constant(ONE)));
}

// tanh(x) = x P(x^2) / Q(x^2) for |x| <= 9, where it is 1 as an f32: least maximum of the relative
// error, 2.1e-8
const P_TANH: usize = memory.data<f32>([
  1, 0.1338101690567268, 0.0034955776369213, 2.06089055416548e-5, 1.3354410809608e-8,
]);
const Q_TANH: usize = memory.data<f32>([
  1, 0.467143325007803, 0.0258769425931549, 3.28561747201396e-4, 7.7764567949683e-7,
]);
const TANH_MOST: usize = memory.data<f32>([9]);
const TANH_LEAST: usize = memory.data<f32>([-9]);

/** c0 + z (c1 + z (c2 + z (c3 + z c4))), coefficients at an address. */
@inline
function quartic4(z: v128, c: usize): v128 {
  const high = madd(constant(c + 12), constant(c + 16), z);
  return madd(constant(c), madd(constant(c + 4), madd(constant(c + 8), high, z), z), z);
}

/** tanh(x) for four lanes; relative error below 5e-7. NaN stays NaN. */
@inline
export function tanh4(x: v128): v128 {
  const y = f32x4.pmax(f32x4.pmin(x, constant(TANH_MOST)), constant(TANH_LEAST));
  const z = f32x4.mul(y, y);
  return f32x4.div(f32x4.mul(y, quartic4(z, P_TANH)), quartic4(z, Q_TANH));
}

/** s[j] = cap tanh(s[j] / cap) for n numbers, rounded up to 4. s f32 [n] */
export function capRow(s: usize, n: i32, cap: f32): void {
  const caps = f32x4.splat(cap);
  const by = f32x4.splat(<f32>1 / cap);
  for (let end = s + ((<usize>n) << 2); s < end; s += 16)
    v128.store(s, f32x4.mul(caps, tanh4(f32x4.mul(v128.load(s), by))));
}

/** One number, bit for bit as capRow caps it; as it is where there is no cap. */
@inline
export function cap1(x: f32, cap: f32): f32 {
  if (cap == 0) return x;
  const by = f32x4.splat(<f32>1 / cap);
  return cap * f32x4.extract_lane(tanh4(f32x4.mul(f32x4.splat(x), by)), 0);
}

const LN2: f64 = 0.6931471805599453;
const SQRT_HALF: i64 = 0x3fe6a09e667f3bcd; // as bits

/**
 * log(x) of a positive normal number: x = 2^e m, m around 1, and log(m) = 2 atanh((m - 1) / (m + 1))
 * as a series. Relative error below 1e-13.
 */
export function log1(x: f64): f64 {
  const bits = reinterpret<i64>(x);
  const e = (bits - SQRT_HALF) >> 52;
  const m = reinterpret<f64>(bits - (e << 52));
  const s = (m - 1) / (m + 1);
  const z = s * s;
  let sum: f64 = 0;
  for (let k: f64 = 15; k > 0; k -= 2) sum = sum * z + 1 / k;
  return <f64>e * LN2 + 2 * s * sum;
}

/**
 * log(1 + exp(x)) of one number; relative error below 4e-7. What is below 1e-9 is its own
 * logarithm's argument less 1.
 */
export function softplus1(x: f32): f64 {
  const small = <f64>exp1(-abs(x));
  return <f64>max<f32>(x, 0) + (small < 1e-9 ? small : log1(1 + small));
}

/** sigmoid(x) of one number, bit for bit what a lane of sigmoid4 gives. */
@inline
export function sigmoid1(x: f32): f32 {
  return f32x4.extract_lane(sigmoid4(f32x4.splat(x)), 0);
}
