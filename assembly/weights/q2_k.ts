// Q2_K weights, 2.625 bits each. Block of 256: 16 bytes, a scale in the low nibble and a min in the
// high one; 64 bytes, 128 elements each 32: the lowest pair of bits is k 0..31, the next one k
// 32..63 ..; f16 d, dmin; value = d * scale[k / 16] * q - dmin * min[k / 16]. Group: per block 4 d |
// 4 dmin | 4 x [4 rows][4 bytes] scales and mins | 16 x [4 rows][4 bytes]
import { Block } from './block';
import { OFFSET_HALVES } from '../gemm/integers';
import { constant, loadSmallHalves } from '../simd';
import { fourParts } from './unpack';

const PAIRS: usize = 64; // byte offset behind a block's d and dmin
const MIN: usize = 8; // and inside a group's block
const OWN: usize = 16;
const NIBBLE: usize = memory.data<u32>([0xf]);

export type Q2_K = Block<SixteenNibbles, Pairs>;


@unmanaged
class SixteenNibbles {

  @inline
  tail(): i32 {
    return 2;
  }


  @inline
  kind(): i32 {
    return OFFSET_HALVES;
  }


  @inline
  m(): v128 {
    return f32x4.neg(loadSmallHalves(changetype<usize>(this) + MIN));
  }


  @inline
  scale(d: v128, scales: v128, part: i32): v128 {
    return loadSmallHalves(changetype<usize>(this));
  }


  @inline
  weight(part: i32, run: i32): v128 {
    return this.nibble(2 * part + run, 0);
  }


  @inline
  second(m: v128, seconds: v128, part: i32): v128 {
    return f32x4.mul(m, f32x4.convert_i32x4_s(this.nibble(2 * part + 1, 4)));
  }


  @inline
  more(m: v128, part: i32): v128 {
    const more = i32x4.sub(this.nibble(2 * part, 4), this.nibble(2 * part + 1, 4));
    return f32x4.mul(m, f32x4.convert_i32x4_s(more));
  }

  /** Nibble of byte s. */
  @inline
  nibble(s: i32, at: i32): v128 {
    const words = v128.load(changetype<usize>(this) + ((<usize>(s >> 2)) << 4), OWN);
    return v128.and(i32x4.shr_u(words, ((s & 3) << 3) + at), constant(NIBBLE));
  }
}


@unmanaged
class Pairs {

  @inline
  elements(): i32 {
    return 256;
  }


  @inline
  words(): i32 {
    return 20;
  }


  @inline
  bias(): i32 {
    return 0;
  }


  @inline
  run(): i32 {
    return 16;
  }


  @inline
  unrolls(): bool {
    return true;
  }


  @inline
  quad(bytes: v128, bits: v128, part: i32, run: i32, i: usize): v128 {
    return fourParts(changetype<usize>(this) + PAIRS, part, run, i);
  }
}
