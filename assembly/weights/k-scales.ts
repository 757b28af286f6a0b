// The 12 bytes of 6-bit scales and mins of Q4_K and Q5_K, four rows at once. p points at three
// vectors of [4 rows][4 bytes]:
//   bytes 0..3   scale 0..3 in bits 0..5, bits 4..5 of scale 4..7 in bits 6..7
//   bytes 4..7   min   0..3 in bits 0..5, bits 4..5 of min   4..7 in bits 6..7
//   bytes 8..11  bits 0..3 of scale 4..7 low, of min 4..7 high
import { constant } from '../simd';
import { byteOfWords } from './unpack';

const SIX_BITS: usize = memory.data<u32>([0x3f3f3f3f]);
const TOP_BITS: usize = memory.data<u32>([0x30303030]);
const LOW_BITS: usize = memory.data<u32>([0x0f0f0f0f]);

/** Scales of parts 0..3, a byte each. */
@inline
function scalesLow(p: usize): v128 {
  return v128.and(v128.load(p), constant(SIX_BITS));
}

/** Mins of parts 0..3. */
@inline
function minsLow(p: usize): v128 {
  return v128.and(v128.load(p, 16), constant(SIX_BITS));
}

/** Scales of parts 4..7. */
@inline
function scalesHigh(p: usize): v128 {
  const top = v128.and(i32x4.shr_u(v128.load(p), 2), constant(TOP_BITS));
  return v128.or(v128.and(v128.load(p, 32), constant(LOW_BITS)), top);
}

/** Mins of parts 4..7. */
@inline
function minsHigh(p: usize): v128 {
  const top = v128.and(i32x4.shr_u(v128.load(p, 16), 2), constant(TOP_BITS));
  return v128.or(v128.and(i32x4.shr_u(v128.load(p, 32), 4), constant(LOW_BITS)), top);
}

/** Scales of parts 0 .. 3 for pairs 0 and 1, of parts 4 .. 7 for pairs 2 and 3. */
@inline
export function scalesOf(p: usize, pair: i32): v128 {
  return pair < 2 ? scalesLow(p) : scalesHigh(p);
}

/** Mins of the same. */
@inline
export function minsOf(p: usize, pair: i32): v128 {
  return pair < 2 ? minsLow(p) : minsHigh(p);
}

/** A part's scale, or min, as f32: `by` its byte of scalesOf() or minsOf(). */
@inline
export function partOf(by: v128, bytes: v128, part: i32): v128 {
  return f32x4.mul(by, byteOfWords(bytes, part & 3));
}
