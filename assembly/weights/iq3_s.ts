// IQ3_S weights, 3.4375 bits each. Block of 256: f16 d; 64 bytes, lower bits of entries of the grid, 4
// elements each; 8 bytes, a part's 8 upper bits; 32 bytes of signs; 4 bytes, a nibble a part: its scale;
// value = d * (2 * scale + 1) * level. Group: per block 4 d | 16 x [4 rows][4 entries] | 2 x [4 rows][4
// bytes] upper bits | 8 x [4 rows][4 signs] | [4 rows][8 nibbles]
import { SCALES } from '../gemm/integers';
import { byteOf, GridBlock, longEntriesOf, oddOf, signed, signsAt } from './grid-block';
import { IQ3_S_GRID } from './grids';
import { FOUR_BITS } from './iq2_xxs';

const UPPER: usize = 256; // byte offsets in a group's block
const SIGNS: usize = 288;
const OWN: usize = 416;
const LEVELS: usize = memory.data<i8>([
  1, 3, 5, 7, 9, 11, 13, 15, -1, -3, -5, -7, -9, -11, -13, -15,
]);
const UNIT: usize = memory.data<f32>([1]);

export type IQ3_S = GridBlock<Fields>;


@unmanaged
class Fields {

  @inline
  words(): i32 {
    return 27;
  }


  @inline
  kind(): i32 {
    return SCALES;
  }


  @inline
  unit(): usize {
    return UNIT;
  }


  @inline
  levels(): usize {
    return LEVELS;
  }


  @inline
  odds(part: i32, half: i32): v128 {
    return oddOf(v128.load(changetype<usize>(this), OWN), part << 2, FOUR_BITS);
  }


  @inline
  entry(part: i32, half: i32, i: i32): v128 {
    const at = changetype<usize>(this) + ((<usize>part) << 4);
    const first = at + ((<usize>part) << 4) + ((<usize>half) << 4) + <usize>i;
    const upper = changetype<usize>(this) + UPPER + byteOf(part);
    const left = 10 - 4 * half - i;
    const low = longEntriesOf<u8>(IQ3_S_GRID, first, upper, left, 0x400);
    const high = longEntriesOf<u8>(IQ3_S_GRID, first + 1, upper, left - 1, 0x400);
    const digits = v128.or(low, i32x4.shl(high, 4));
    return signed(digits, signsAt(v128.load(at, SIGNS), (2 * half + (i >> 1)) << 3));
  }
}
