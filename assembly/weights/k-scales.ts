// Scales of Q4_K and Q5_K: f16 d and dmin, then 12 bytes of 6-bit scales and mins, four rows at
// once.
// p points at three vectors of [4 rows][4 bytes]:
//   bytes 0..3   scale 0..3 in bits 0..5, bits 4..5 of scale 4..7 in bits 6..7
//   bytes 4..7   min   0..3 in bits 0..5, bits 4..5 of min   4..7 in bits 6..7
//   bytes 8..11  bits 0..3 of scale 4..7 low, of min 4..7 high
import { OFFSETS } from '../gemm/integers';
import { constant, loadSmallHalves } from '../simd';
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

/** A part's byte of four parts' as f32, times `by`. */
@inline
function partOf(by: v128, bytes: v128, part: i32): v128 {
  return f32x4.mul(by, byteOfWords(bytes, part & 3));
}

/** Scales d * scale, offsets -dmin * min. 4 d | 4 dmin | 3 x [4 rows][4 bytes] */
@unmanaged
export class KScales {

  @inline
  head(): i32 {
    return 2;
  }


  @inline
  words(): i32 {
    return 3;
  }


  @inline
  kind(): i32 {
    return OFFSETS;
  }


  @inline
  d(): v128 {
    return loadSmallHalves(changetype<usize>(this));
  }


  @inline
  m(): v128 {
    return f32x4.neg(loadSmallHalves(changetype<usize>(this) + 8));
  }


  @inline
  scales(part: i32): v128 {
    return part < 4
      ? scalesLow(changetype<usize>(this) + 16)
      : scalesHigh(changetype<usize>(this) + 16);
  }


  @inline
  seconds(part: i32): v128 {
    return part < 4
      ? minsLow(changetype<usize>(this) + 16)
      : minsHigh(changetype<usize>(this) + 16);
  }


  @inline
  scale(d: v128, scales: v128, part: i32): v128 {
    return partOf(d, scales, part);
  }


  @inline
  second(m: v128, seconds: v128, part: i32): v128 {
    return partOf(m, seconds, part);
  }
}
