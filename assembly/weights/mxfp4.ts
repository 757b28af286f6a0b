// MXFP4 weights, 4.25 bits each. Block of 32: a byte e; 16 bytes, low nibbles k 0..15, high k 16..31;
// value = 2^(e - 128) * VALUES[q]. Group: per block 4 e | 4 x [4 rows][4 bytes]
import { Block } from './block';
import { SCALES } from '../gemm/integers';
import { constant } from '../simd';
import { Chosen } from './codes';

export type MXFP4 = Block<Exponent, Chosen<Fp4>>;

const VALUES: usize = memory.data<i8>(
  [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12],
  16,
);
/** The same, 12 more. */
const CODES: usize = memory.data<u8>(
  [12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0],
  16,
);
const ONE: usize = memory.data<i32>([1]);

/** Twice the numbers of a sign, two bits of exponent and one of mantissa. */
@unmanaged
export class Fp4 {

  @inline
  values(): v128 {
    return v128.load(VALUES);
  }


  @inline
  zero(): i32 {
    return 12;
  }


  @inline
  codes(): v128 {
    return v128.load(CODES);
  }
}


@unmanaged
class Exponent {

  @inline
  lead(): i32 {
    return 1;
  }


  @inline
  kind(): i32 {
    return SCALES;
  }

  /** e - 1 as the exponent of f32; 2^-128 and 2^-127 are below what has one, e + 1 times 2^-128. */
  @inline
  scale(d: v128, scales: v128, part: i32): v128 {
    const bytes = i16x8.extend_low_i8x16_u(v128.load32_zero(changetype<usize>(this)));
    const e = i32x4.extend_low_i16x8_u(bytes);
    const normal = i32x4.shl(i32x4.sub(e, constant(ONE)), 23);
    return i32x4.max_s(normal, i32x4.shl(i32x4.add(e, constant(ONE)), 21));
  }
}
