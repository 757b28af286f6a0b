// The 12 bytes of 6-bit scales and mins of Q4_K and Q5_K, four rows at once. p points at three
// vectors of [4 rows][4 bytes]:
//   bytes 0..3   scale 0..3 in bits 0..5, bits 4..5 of scale 4..7 in bits 6..7
//   bytes 4..7   min   0..3 in bits 0..5, bits 4..5 of min   4..7 in bits 6..7
//   bytes 8..11  bits 0..3 of scale 4..7 low, of min 4..7 high
import { PANEL_BLOCK } from '../integer';
import { constant, madd } from '../simd';
import { byteOfWords } from './unpack';

const SIX_BITS: usize = memory.data<u32>([0x3f3f3f3f]);
const TOP_BITS: usize = memory.data<u32>([0x30303030]);
const LOW_BITS: usize = memory.data<u32>([0x0f0f0f0f]);

/** Scales of blocks 0..3, a byte each. */
@inline
export function scalesLow(p: usize): v128 {
  return v128.and(v128.load(p), constant(SIX_BITS));
}

/** Mins of blocks 0..3. */
@inline
export function minsLow(p: usize): v128 {
  return v128.and(v128.load(p, 16), constant(SIX_BITS));
}

/** Scales of blocks 4..7. */
@inline
export function scalesHigh(p: usize): v128 {
  const top = v128.and(i32x4.shr_u(v128.load(p), 2), constant(TOP_BITS));
  return v128.or(v128.and(v128.load(p, 32), constant(LOW_BITS)), top);
}

/** Mins of blocks 4..7. */
@inline
export function minsHigh(p: usize): v128 {
  const top = v128.and(i32x4.shr_u(v128.load(p, 16), 2), constant(TOP_BITS));
  return v128.or(v128.and(i32x4.shr_u(v128.load(p, 32), 4), constant(LOW_BITS)), top);
}

/**
 * Scales and offsets of blocks 2 c and 2 c + 1 of a panel for products in integers (integer.ts), at
 * dst and a block behind.
 */
@inline
export function storeScales(dst: usize, p: usize, d: v128, dmin: v128, c: i32): void {
  const scaleBytes = c < 2 ? scalesLow(p) : scalesHigh(p);
  const minBytes = c < 2 ? minsLow(p) : minsHigh(p);
  v128.store(dst, f32x4.mul(d, byteOfWords(scaleBytes, (2 * c) & 3)));
  v128.store(dst, f32x4.mul(dmin, byteOfWords(minBytes, (2 * c) & 3)), 32);
  v128.store(dst + PANEL_BLOCK, f32x4.mul(d, byteOfWords(scaleBytes, (2 * c + 1) & 3)));
  v128.store(dst + PANEL_BLOCK, f32x4.mul(dmin, byteOfWords(minBytes, (2 * c + 1) & 3)), 32);
}

/**
 * total + the products of pair c (0..3, a constant) of 32 elements of a block, scaled: (low * scale
 * + high * scale) * x's scales, less the mins' part of x's sums. low, high i32x4 | scales, sums f32
 * [2] of quantize_i16
 */
@inline
export function addScaled(
  total: v128,
  low: v128,
  high: v128,
  scales: usize,
  sums: usize,
  d: v128,
  dmin: v128,
  scaleBytes: v128,
  minBytes: v128,
  c: i32,
): v128 {
  const s0 = f32x4.mul(
    f32x4.mul(d, byteOfWords(scaleBytes, (2 * c) & 3)),
    v128.load32_splat(scales),
  );
  const s1 = f32x4.mul(
    f32x4.mul(d, byteOfWords(scaleBytes, (2 * c + 1) & 3)),
    v128.load32_splat(scales, 4),
  );
  total = madd(total, f32x4.convert_i32x4_s(low), s0);
  total = madd(total, f32x4.convert_i32x4_s(high), s1);
  total = madd(total, f32x4.mul(dmin, byteOfWords(minBytes, (2 * c) & 3)), v128.load32_splat(sums));
  return madd(
    total,
    f32x4.mul(dmin, byteOfWords(minBytes, (2 * c + 1) & 3)),
    v128.load32_splat(sums, 4),
  );
}
