// IQ1_M weights, 1.75 bits each. Block of 256: 32 bytes, lower bits of entries of the grid; 16 bytes, a
// nibble an entry: 3 upper bits, a sign; 4 u16: of two parts 4 x 3 bits of scales, above them 4 bits of
// the f16 d, lowest first; value = d * (2 * scale[k / 16] + 1) * (level +- 1/8). Group: per block 8 x [4
// rows][4 entries] | 4 x [4 rows][8 nibbles] | 2 x [4 rows][2 u16]
import { HALVES } from '../gemm/integers';
import { constant, widen } from '../simd';
import { GridBlock, longEntriesOf, oddOf, pairOf } from './grid-block';
import { IQ1_S_GRID } from './grids';
import { IQ1_LEVELS, signedAlike, THREE_BITS } from './iq1_s';
import { EIGHTH } from './iq2_xxs';

const UPPER: usize = 128; // byte offsets in a group's block
const OWN: usize = 192;
const NIBBLE_0: usize = memory.data<u32>([0x000f0000]);
const NIBBLE_1: usize = memory.data<u32>([0x00f00000]);
const NIBBLE_2: usize = memory.data<u32>([0x0f000000]);
const NIBBLE_3: usize = memory.data<u32>([0xf0000000]);

export type IQ1_M = GridBlock<Fields>;


@unmanaged
class Fields {

  @inline
  head(): i32 {
    return 0;
  }


  @inline
  words(): i32 {
    return 14;
  }


  @inline
  kind(): i32 {
    return HALVES;
  }


  @inline
  unit(): usize {
    return EIGHTH;
  }


  @inline
  levels(): usize {
    return IQ1_LEVELS;
  }


  @inline
  d(): v128 {
    const low = v128.load(changetype<usize>(this), OWN);
    const high = v128.load(changetype<usize>(this), OWN + 16);
    const byte = v128.or(
      v128.and(i32x4.shl(low, 4), constant(NIBBLE_0)),
      v128.and(i32x4.shr_u(low, 8), constant(NIBBLE_1)),
    );
    const rest = v128.or(
      v128.and(i32x4.shl(high, 12), constant(NIBBLE_2)),
      v128.and(high, constant(NIBBLE_3)),
    );
    return widen(i32x4.shr_s(v128.or(byte, rest), 16));
  }


  @inline
  odds(part: i32, half: i32): v128 {
    const own = v128.load(changetype<usize>(this) + ((<usize>(part >> 2)) << 4), OWN);
    return oddOf(own, ((part & 2) << 3) + 3 * (2 * (part & 1) + half), THREE_BITS);
  }


  @inline
  entry(part: i32, half: i32, i: i32): v128 {
    const e = 2 * half + (i >> 1);
    const lower = changetype<usize>(this) + ((<usize>part) << 4) + <usize>e;
    const upper = changetype<usize>(this) + UPPER + pairOf(part) + <usize>half;
    const bit = 2 * i;
    const digits = longEntriesOf<u8>(IQ1_S_GRID, lower, upper, 10 - bit, 0x1c00);
    const pairs = v128.load(changetype<usize>(this) + ((<usize>(part >> 1)) << 4), UPPER);
    return signedAlike(digits, i32x4.shr_u(pairs, (part & 1) << 4), 4 * e + 3);
  }
}
