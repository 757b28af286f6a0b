// IQ1_S weights, 1.5625 bits each. Block of 256: f16 d; 32 bytes, lower bits of entries of the grid; a
// u16 a part: 4 x 3 upper bits, 3 bits of scale, a sign; value = d * (2 * scale + 1) * (level +- 1/8).
// Group: per block 4 d | 8 x [4 rows][4 entries] | 4 x [4 rows][2 u16]
import { SCALES } from '../gemm/integers';
import { constant } from '../simd';
import { GridBlock, longEntriesOf, oddOf, pairOf } from './grid-block';
import { IQ1_S_GRID } from './grids';
import { EIGHTH } from './iq2_xxs';

const UPPER: usize = 128; // byte offset in a group's block
/** Levels of the IQ1 types, times 8: more by one, and less. */
export const IQ1_LEVELS: usize = memory.data<i8>([
  -7, 1, 9, 0, 0, 0, 0, 0, -9, -1, 7, 0, 0, 0, 0, 0,
]);
/** Of a scale. */
export const THREE_BITS: usize = memory.data<u32>([7]);
const SIGNS: usize = memory.data<u32>([0x88888888]);

/** Digits that all have the sign that is at bit `at` of words. */
@inline
export function signedAlike(digits: v128, words: v128, at: i32): v128 {
  const signs = i32x4.shr_s(i32x4.shl(words, 31 - at), 31);
  return v128.or(digits, v128.and(signs, constant(SIGNS)));
}

export type IQ1_S = GridBlock<Fields>;


@unmanaged
class Fields {

  @inline
  words(): i32 {
    return 12;
  }


  @inline
  kind(): i32 {
    return SCALES;
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
  pair(part: i32): v128 {
    const two = v128.load(changetype<usize>(this) + ((<usize>(part >> 1)) << 4), UPPER);
    return i32x4.shr_u(two, (part & 1) << 4);
  }


  @inline
  odds(part: i32, half: i32): v128 {
    return oddOf(this.pair(part), 12, THREE_BITS);
  }


  @inline
  entry(part: i32, half: i32, i: i32): v128 {
    const e = 2 * half + (i >> 1);
    const lower = changetype<usize>(this) + ((<usize>part) << 4) + <usize>e;
    const upper = changetype<usize>(this) + UPPER + pairOf(part);
    const digits = longEntriesOf<u16>(IQ1_S_GRID, lower, upper, 10 - 3 * e, 0x1c00);
    return signedAlike(digits, this.pair(part), 15);
  }
}
