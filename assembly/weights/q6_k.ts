// Q6_K weights, 6.5625 bits each. Block of 256: 128 bytes of low nibbles, 64 bytes of top bit
// pairs, 16 i8 scales, f16 d; value = d * scale[k / 16] * (q - 32). Group: per block 4 d | 4 x [4
// rows][4] scales | twice 8 x [4 rows][4 bytes] top bits, 16 x [4 rows][4 bytes] nibbles
import { Block } from './block';
import { HALVES } from '../gemm/integers';
import { constant, loadSmallHalves } from '../simd';
import { lowNibbles, moved } from './unpack';

const OWN: usize = 8; // byte offset inside a group's block
const TOP: usize = 64; // and behind its d
const NIBBLES: usize = TOP + 128;
const HALF: usize = 384;
const ORDER: usize = memory.data<i32>([48, 4, 32, 8, 0, 16, 40, 8, 16, 16]);
const TOP_PAIR: usize = memory.data<u32>([0x30303030]);
const BYTES_32: usize = memory.data<u32>([0x20202020]);

/** Byte s & 3 of each row's word, signed, times d. */
@inline
function scaleOf(d: v128, words: v128, s: i32): v128 {
  const signed = i32x4.shr_s(i32x4.shl(words, 24 - ((s & 3) << 3)), 24);
  return f32x4.mul(d, f32x4.convert_i32x4_s(signed));
}

export type Q6_K = Block<ByteScales, SplitCodes>;

/** Two bytes a part. */
@unmanaged
class ByteScales {

  @inline
  tail(): i32 {
    return 1;
  }


  @inline
  kind(): i32 {
    return HALVES;
  }


  @inline
  d(): v128 {
    return loadSmallHalves(changetype<usize>(this));
  }


  @inline
  m(): v128 {
    return this.d();
  }


  @inline
  scale(d: v128, scales: v128, part: i32): v128 {
    return scaleOf(d, this.own(part), 2 * part);
  }


  @inline
  second(m: v128, seconds: v128, part: i32): v128 {
    return scaleOf(m, this.own(part), 2 * part + 1);
  }

  /** The word that has a part's scales. */
  @inline
  own(part: i32): v128 {
    return v128.load(changetype<usize>(this) + ((<usize>(part >> 1)) << 4), OWN);
  }
}

/**
 * Parts are quarters of halves of 128 elements. Quarters 0 and 1 are the low nibbles of bytes 0..31
 * and 32..63 of the half, 2 and 3 the high ones; pair `quarter` of a top byte is theirs.
 */
@unmanaged
class SplitCodes {

  @inline
  elements(): i32 {
    return 256;
  }


  @inline
  words(): i32 {
    return 52;
  }

  /** Quads are less 32 as they come. */
  @inline
  bias(): i32 {
    return 0;
  }


  @inline
  run(): i32 {
    return 16;
  }


  @inline
  order(): usize {
    return ORDER;
  }


  @inline
  unrolls(): bool {
    return true;
  }


  @inline
  code(bytes: v128, bits: v128, part: i32, run: i32, i: usize): v128 {
    const half = changetype<usize>(this) + <usize>(part >> 2) * HALF;
    const at = half + ((<usize>run) << 6) + (i << 4);
    const nibbles = v128.load(at + ((<usize>(part & 1)) << 7), NIBBLES);
    const top = v128.load(at, TOP);
    const low = lowNibbles(i16x8.shr_u(nibbles, (part & 2) << 1));
    const pair = moved(top, 2 * (part & 3), 4, TOP_PAIR);
    return v128.or(low, pair);
  }


  @inline
  zero(): i32 {
    return 32;
  }


  @inline
  quad(bytes: v128, bits: v128, part: i32, run: i32, i: usize): v128 {
    return i8x16.sub(this.code(bytes, bits, part, run, i), constant(BYTES_32));
  }
}
