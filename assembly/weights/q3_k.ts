// Q3_K weights, 3.4375 bits each. Block of 256: 32 bytes of third bits, bit j of a byte for part j; 64
// bytes, 128 elements each 32: the lowest pair of bits is k 0..31, the next one k 32..63 ..; 12 bytes
// of 16 6-bit scales; f16 d; value = d * (scale[k / 16] - 32) * (q - 4). Group: per block 4 d | 8 x
// [4 rows][4 bytes] third bits | 16 x [4 rows][4 bytes] | 3 x [4 rows][4 bytes] scales
import { Block } from './block';
import { SCALES } from '../gemm/integers';
import { constant, loadSmallHalves } from '../simd';
import { fourParts, moved } from './unpack';

const PAIRS: usize = 128; // byte offset behind a block's d
const OWN: usize = 392; // and inside a group's block
const NIBBLE: usize = memory.data<u32>([0xf]);
const TOP: usize = memory.data<u32>([0x30]);
const MIDDLE: usize = memory.data<u32>([32]);
const BYTES_4: usize = memory.data<u32>([0x04040404]);

export type Q3_K = Block<SixteenScales, Threes>;


@unmanaged
class SixteenScales {

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
    return loadSmallHalves(changetype<usize>(this));
  }

  /** Bits 0..3 of scales 0..7 are low nibbles of 8 bytes, of 8..15 high ones; 4 bytes of top pairs. */
  @inline
  weight(part: i32, run: i32): v128 {
    const at = changetype<usize>(this) + OWN;
    const s = 2 * part + run;
    const byte = (s & 3) << 3;
    const words = v128.load(at + ((<usize>((s >> 2) & 1)) << 4));
    const low = v128.and(i32x4.shr_u(words, byte + ((s >> 3) << 2)), constant(NIBBLE));
    const tops = i32x4.shl(i32x4.shr_u(v128.load(at, 32), byte + ((s >> 2) << 1)), 4);
    return i32x4.sub(v128.or(low, v128.and(tops, constant(TOP))), constant(MIDDLE));
  }
}


@unmanaged
class Threes {

  @inline
  elements(): i32 {
    return 256;
  }


  @inline
  words(): i32 {
    return 27;
  }

  /** Quads are less 4 as they come. */
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
  code(bytes: v128, bits: v128, part: i32, run: i32, i: usize): v128 {
    const low = fourParts(changetype<usize>(this) + PAIRS, part, run, i);
    const third = v128.load(changetype<usize>(this) + ((<usize>run) << 6) + (i << 4));
    const top = moved(third, part, 2, BYTES_4);
    return v128.or(low, top);
  }


  @inline
  zero(): i32 {
    return 4;
  }


  @inline
  most(): i32 {
    return 7;
  }


  @inline
  quad(bytes: v128, bits: v128, part: i32, run: i32, i: usize): v128 {
    return i8x16.sub(this.code(bytes, bits, part, run, i), constant(BYTES_4));
  }
}
