// IQ4_XS weights, 4.25 bits each. Block of 256: f16 d; 8 scales of 6 bits: 16 bits of top pairs, 4
// bytes of low nibbles; 8 parts of 16 bytes, low nibbles k 0..15, high k 16..31; value = d * (scale -
// 32) * VALUES[q] (iq4_nl.ts). Group: per block 4 d | 4 x 16 bits | [4 rows][4 bytes] | 32 x [4
// rows][4 bytes]
import { Block } from './block';
import { SCALES } from '../gemm/integers';
import { constant, loadSmallHalves } from '../simd';
import { Chosen } from './codes';
import { NonLinear } from './iq4_nl';

const NIBBLE: usize = memory.data<u32>([0xf]);
const TOP: usize = memory.data<u32>([0x30]);
const MIDDLE: usize = memory.data<u32>([32]);

export type IQ4_XS = Block<SixBits, Chosen<NonLinear>>;


@unmanaged
class SixBits {

  @inline
  head(): i32 {
    return 2;
  }


  @inline
  words(): i32 {
    return 1;
  }


  @inline
  parts(): i32 {
    return 8;
  }


  @inline
  kind(): i32 {
    return SCALES;
  }


  @inline
  d(): v128 {
    return loadSmallHalves(changetype<usize>(this));
  }


  @inline
  scale(d: v128, scales: v128, part: i32): v128 {
    const pairs = i32x4.shl(v128.load16x4_u(changetype<usize>(this), 8), 4);
    const top = v128.and(i32x4.shr_u(pairs, part << 1), constant(TOP));
    const words = v128.load(changetype<usize>(this), 16);
    const low = v128.and(i32x4.shr_u(words, part << 2), constant(NIBBLE));
    const whole = i32x4.sub(v128.or(low, top), constant(MIDDLE));
    return f32x4.mul(d, f32x4.convert_i32x4_s(whole));
  }
}
