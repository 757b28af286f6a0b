// Elementary functions on lanes, each with its error against f64. Inlined; never exported from the module.
import { constant, madd } from './simd';

const LOG2E: usize = memory.data<f32>([1.44269504088896341]);
const MINUS_LN2_HIGH: usize = memory.data<f32>([-0.693359375]); // exact in 10 bits, so n * LN2_HIGH is exact for |n| < 2^13
const MINUS_LN2_LOW: usize = memory.data<f32>([2.1219444e-4]);
const LEAST: usize = memory.data<f32>([-87.3]);
const MOST: usize = memory.data<f32>([88]);
const MAGIC: usize = memory.data<f32>([12582912]); // 1.5 * 2^23: what is added to it is rounded, and stands in the low bits
const BIAS: usize = memory.data<i32>([127 << 23]);
const ONE: usize = memory.data<f32>([1]);
const P6: usize = memory.data<f32>([1.98756915e-4]);
const P5: usize = memory.data<f32>([1.3981999507e-3]);
const P4: usize = memory.data<f32>([8.3334519073e-3]);
const P3: usize = memory.data<f32>([4.1665795894e-2]);
const P2: usize = memory.data<f32>([1.6666665459e-1]);
const P1: usize = memory.data<f32>([5.0000001201e-1]);

/**
 * exp(x) for four lanes: x = n ln 2 + r, a degree 6 polynomial for e^r on |r| <= ln 2 / 2, times 2^n.
 * Relative error below 2e-7 on [-87, 88]; 0 below -87.3 (so exp(-inf) = 0 exactly), saturated above 88.
 */
@inline
export function exp4(x: v128): v128 {
  const least = constant(LEAST);
  const tiny = f32x4.lt(x, least);
  const clamped = f32x4.pmin(constant(MOST), f32x4.pmax(least, x));
  const magic = constant(MAGIC);
  const shifted = f32x4.add(f32x4.mul(clamped, constant(LOG2E)), magic);
  const n = f32x4.sub(shifted, magic);
  const r = madd(madd(clamped, n, constant(MINUS_LN2_HIGH)), n, constant(MINUS_LN2_LOW));
  let p = madd(constant(P5), constant(P6), r);
  p = madd(constant(P4), p, r);
  p = madd(constant(P3), p, r);
  p = madd(constant(P2), p, r);
  p = madd(constant(P1), p, r);
  p = madd(r, p, f32x4.mul(r, r));
  p = f32x4.add(p, constant(ONE));
  const power = i32x4.add(i32x4.shl(shifted, 23), constant(BIAS));
  return v128.andnot(f32x4.mul(p, power), tiny);
}

/** exp of one number, bit for bit what a lane of exp4 gives. */
@inline
export function exp1(x: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(x)), 0);
}

/** x * sigmoid(x) for four lanes; relative error below 4e-7. */
@inline
export function silu4(x: v128): v128 {
  return f32x4.div(x, f32x4.add(constant(ONE), exp4(f32x4.neg(x))));
}
