// TQ1_0 weights, 1.6875 bits each. Block of 256: five elements in a byte, digits of a fraction to
// base 3: 32 bytes, the first digit is k 0..31, the next one k 32..63 .. 159; 16 bytes for k 160..239
// likewise; 4 bytes of four digits for k 240..255; f16 d; value = d * (digit - 1). Group: per block
// 4 d | 13 x [4 rows][4 bytes]
import { Block } from './block';
import { SCALES } from '../gemm/integers';
import { constant, loadHalves } from '../simd';

export type TQ1_0 = Block<ScaleBehind, Digits>;

/** By which digits that were in front leave a byte. */
const POWERS: usize = memory.data<u16>([1, 3, 9, 27, 81]);
const THREE: usize = memory.data<u32>([0x00030003]);
const HIGH_BYTE: usize = memory.data<u32>([0xff00ff00]);


@unmanaged
class ScaleBehind {

  @inline
  tail(): i32 {
    return 1;
  }


  @inline
  kind(): i32 {
    return SCALES;
  }


  @inline
  scale(d: v128, scales: v128, part: i32): v128 {
    return loadHalves(changetype<usize>(this));
  }
}

/** The digit, as low byte, that high bytes have behind those of `power`. */
@inline
function digit(bytes: v128, power: v128): v128 {
  const left = i16x8.shr_u(i16x8.mul(bytes, power), 8);
  return i16x8.shr_u(i16x8.mul(left, constant(THREE)), 8);
}


@unmanaged
class Digits {

  @inline
  elements(): i32 {
    return 256;
  }


  @inline
  words(): i32 {
    return 13;
  }


  @inline
  run(): i32 {
    return 16;
  }


  @inline
  bias(): i32 {
    return 1;
  }


  @inline
  quad(bytes: v128, bits: v128, part: i32, run: i32, i: usize): v128 {
    // runs of the first 32 bytes, of the next 16, and the last one
    const r = 2 * part + run - 10;
    const word = r < 0 ? 4 * run + <i32>i : r < 5 ? 8 + <i32>i : 12;
    const number = r < 0 ? part : r < 5 ? r : <i32>i;
    const v = v128.load(changetype<usize>(this) + ((<usize>word) << 4));
    const power = v128.load16_splat(POWERS + ((<usize>number) << 1));
    const odd = digit(v128.and(v, constant(HIGH_BYTE)), power);
    return v128.or(digit(i16x8.shl(v, 8), power), i16x8.shl(odd, 8));
  }
}
