// NVFP4 weights, 4.5 bits each. Block of 64: 4 scales, a byte each with 4 bits of exponent and 3 of
// mantissa; for 16 elements each 8 bytes, low nibbles k 0..7, high k 8..15; value = scale / 2 *
// VALUES[q] (mxfp4.ts). Group: per block [4 rows][4 scales] | 8 x [4 rows][4 bytes]
import { Block } from './block';
import { HALVES } from '../gemm/integers';
import { choose, constant } from '../simd';
import { Fp4 } from './mxfp4';
import { lowNibbles } from './unpack';

export type NVFP4 = Block<SmallFloats, Eights>;

const BYTE: usize = memory.data<u32>([0xff]);
const NONE: usize = memory.data<u32>([0x7f]); // stands for no number: a scale of 0
const MAGNITUDE: usize = memory.data<u32>([0x7f << 20]);
const HALF: usize = memory.data<f32>([6.646139978924579e35]); // 2^119: half of what biases differ by

/** Scale number s of a block: the byte's bits are those of an f32 with a larger bias. */
@inline
function scaleAt(block: usize, s: i32): v128 {
  const byte = v128.and(i32x4.shr_u(v128.load(block), s << 3), constant(BYTE));
  const bits = v128.and(i32x4.shl(byte, 20), constant(MAGNITUDE));
  return f32x4.mul(v128.and(bits, i32x4.ne(byte, constant(NONE))), constant(HALF));
}


@unmanaged
class SmallFloats {

  @inline
  parts(): i32 {
    return 2;
  }


  @inline
  words(): i32 {
    return 1;
  }


  @inline
  kind(): i32 {
    return HALVES;
  }


  @inline
  scale(d: v128, scales: v128, part: i32): v128 {
    return scaleAt(changetype<usize>(this), 2 * part);
  }


  @inline
  second(m: v128, seconds: v128, part: i32): v128 {
    return scaleAt(changetype<usize>(this), 2 * part + 1);
  }
}

/** Runs are apart, and their halves in the same bytes. */
@unmanaged
class Eights {

  @inline
  words(): i32 {
    return 4;
  }


  @inline
  bias(): i32 {
    return 0;
  }


  @inline
  numbers(part: i32, run: i32, i: usize): v128 {
    const at = changetype<usize>(this) + ((<usize>(2 * part + run)) << 5) + ((i & 1) << 4);
    return lowNibbles(i16x8.shr_u(v128.load(at), (<i32>(i >> 1)) << 2));
  }


  @inline
  quad(bytes: v128, bits: v128, part: i32, run: i32, i: usize): v128 {
    return choose(changetype<Fp4>(0).values(), this.numbers(part, run, i));
  }


  @inline
  code(bytes: v128, bits: v128, part: i32, run: i32, i: usize): v128 {
    return choose(changetype<Fp4>(0).codes(), this.numbers(part, run, i));
  }


  @inline
  zero(): i32 {
    return changetype<Fp4>(0).zero();
  }


  @inline
  most(): i32 {
    return 2 * this.zero();
  }
}
