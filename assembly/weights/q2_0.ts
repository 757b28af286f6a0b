// Q2_0 weights, 2.25 bits each. Block of 64: f16 d; 16 bytes, four neighbours in each, the first one
// lowest; value = d * (q - 1). Group: per block 4 d | 4 x [4 rows][4 bytes]
import { Block } from './block';
import { constant } from '../simd';
import { ScaleOfTwo } from './scales';
import { pairsOfBits } from './unpack';

export type Q2_0 = Block<ScaleOfTwo, Fours>;

const BYTE: usize = memory.data<u32>([0xff]);
const NIBBLES: usize = memory.data<u32>([0x000f000f]);

/** A run is a word, a quad a byte of it. */
@unmanaged
class Fours {

  @inline
  words(): i32 {
    return 2;
  }


  @inline
  bias(): i32 {
    return 1;
  }


  @inline
  quad(bytes: v128, bits: v128, part: i32, run: i32, i: usize): v128 {
    const word = v128.load(changetype<usize>(this) + ((<usize>(2 * part + run)) << 4));
    const byte = v128.and(i32x4.shr_u(word, (<i32>i) << 3), constant(BYTE));
    // two pairs in each half of the word, then one in each byte
    const halves = v128.and(v128.or(byte, i32x4.shl(byte, 12)), constant(NIBBLES));
    return pairsOfBits(v128.or(halves, i32x4.shl(halves, 6)), 0);
  }
}
