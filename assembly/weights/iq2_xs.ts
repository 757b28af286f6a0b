// IQ2_XS weights, 2.3125 bits each. Block of 256: f16 d; 32 u16: 9 bits name an entry of the grid, 7 are
// signs, the eighth makes their number even; 8 bytes, a part's two scales; value = d / 8 * (2 *
// scale[k / 16] + 1) * level. Group: per block 4 d | 16 x [4 rows][2 u16] | 2 x [4 rows][4 bytes]
import { HALVES } from '../gemm/integers';
import { evenSignsAt, GridBlock, longEntriesOf, oddOf, signed } from './grid-block';
import { IQ2_XS_GRID } from './grids';
import { EIGHTH, FOUR_BITS, IQ2_LEVELS } from './iq2_xxs';

const OWN: usize = 256; // byte offset in a group's block

export type IQ2_XS = GridBlock<Fields>;


@unmanaged
class Fields {

  @inline
  words(): i32 {
    return 18;
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
    const at = changetype<usize>(this) + ((<usize>part) << 5) + ((<usize>half) << 4);
    const digits = longEntriesOf<u16>(IQ2_XS_GRID, at + <usize>i, at + <usize>i, 2, 0x400);
    return signed(digits, evenSignsAt(v128.load(at), (i << 3) + 9));
  }
}
