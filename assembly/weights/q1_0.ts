// Q1_0 weights, 1.125 bits each. Block of 128: f16 d; 128 bits; value = d * (2 q - 1).
// Group: per block 4 d | 4 x [4 rows][32 bits]
import { Block } from './block';
import { ScaleOfFour } from './scales';
import { moved } from './unpack';

export type Q1_0 = Block<ScaleOfFour, Bits>;

const TWO: usize = memory.data<u32>([0x02020202]);

/** Codes are 0 and 2. */
@unmanaged
class Bits {

  @inline
  words(): i32 {
    return 1;
  }


  @inline
  turned(): i32 {
    return 1;
  }


  @inline
  unrollsQuads(): bool {
    return true;
  }


  @inline
  bias(): i32 {
    return 1;
  }


  @inline
  quad(bytes: v128, bits: v128, part: i32, run: i32, i: usize): v128 {
    const word = v128.load(changetype<usize>(this) + ((<usize>part) << 4));
    return moved(word, 4 * run + <i32>i, 1, TWO);
  }
}
