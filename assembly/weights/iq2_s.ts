// IQ2_S weights, 2.5625 bits each. Block of 256: f16 d; 32 bytes, lower bits of entries of the grid; 32
// bytes of signs; 8 bytes, a part's 4 pairs of upper bits; 8 bytes, a part's two scales; value = d / 8 *
// (2 * scale[k / 16] + 1) * level. Group: per block 4 d | 8 x [4 rows][4 entries] | 8 x [4 rows][4
// signs] | 2 x [4 rows][4 bytes] upper bits | 2 x [4 rows][4 bytes] scales
import { HALVES } from '../gemm/integers';
import { byteOf, GridBlock, longEntriesOf, oddOf, signed, signsAt } from './grid-block';
import { IQ2_S_GRID } from './grids';
import { EIGHTH, FOUR_BITS, IQ2_LEVELS } from './iq2_xxs';

const SIGNS: usize = 128; // byte offsets in a group's block
const UPPER: usize = 256;
const OWN: usize = 288;

export type IQ2_S = GridBlock<Fields>;


@unmanaged
class Fields {

  @inline
  words(): i32 {
    return 20;
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
    return IQ2_LEVELS;
  }


  @inline
  odds(part: i32, half: i32): v128 {
    const own = v128.load(changetype<usize>(this) + ((<usize>(part >> 2)) << 4), OWN);
    return oddOf(own, ((part & 3) << 3) + 4 * half, FOUR_BITS);
  }


  @inline
  entry(part: i32, half: i32, i: i32): v128 {
    const e = 2 * half + (i >> 1);
    const at = changetype<usize>(this) + ((<usize>part) << 4);
    const upper = changetype<usize>(this) + UPPER + byteOf(part);
    const digits = longEntriesOf<u8>(IQ2_S_GRID, at + <usize>e, upper, 10 - 2 * e, 0xc00);
    return signed(digits, signsAt(v128.load(at, SIGNS), e << 3));
  }
}
