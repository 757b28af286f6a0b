// Elementary functions on lanes, each with its error against f64. Inlined; never exported from the module.
import { madd } from './simd';

const LOG2E: f32 = 1.44269504088896341;
const LN2_HIGH: f32 = 0.693359375; // exact in 10 bits, so n * LN2_HIGH is exact for |n| < 2^13
const LN2_LOW: f32 = -2.1219444e-4;

/**
 * exp(x) for four lanes: x = n ln 2 + r, a degree 6 polynomial for e^r on |r| <= ln 2 / 2, times 2^n.
 * Relative error below 2e-7 on [-87, 88]; 0 below -87.3 (so exp(-inf) = 0 exactly), saturated above 88.
 */
@inline
export function exp4(x: v128): v128 {
  const tiny = f32x4.lt(x, f32x4.splat(-87.3));
  const clamped = f32x4.pmin(f32x4.splat(88), f32x4.pmax(f32x4.splat(-87.3), x));
  const n = f32x4.nearest(f32x4.mul(clamped, f32x4.splat(LOG2E)));
  let r = f32x4.sub(clamped, f32x4.mul(n, f32x4.splat(LN2_HIGH)));
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(LN2_LOW)));
  let p = f32x4.splat(1.98756915e-4);
  p = madd(f32x4.splat(1.3981999507e-3), p, r);
  p = madd(f32x4.splat(8.3334519073e-3), p, r);
  p = madd(f32x4.splat(4.1665795894e-2), p, r);
  p = madd(f32x4.splat(1.6666665459e-1), p, r);
  p = madd(f32x4.splat(5.0000001201e-1), p, r);
  p = madd(r, p, f32x4.mul(r, r));
  p = f32x4.add(p, f32x4.splat(1));
  const power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23);
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
  return f32x4.div(x, f32x4.add(f32x4.splat(1), exp4(f32x4.neg(x))));
}
