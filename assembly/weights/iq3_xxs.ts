// IQ3_XXS weights, 3.0625 bits each. Block of 256: f16 d; 64 bytes, entries of the grid, 4 elements
// each; a word a part: 4 x 7 signs, the eighth makes their number even, 4 bits of scale; value = d / 4 *
// (2 * scale + 1) * level. Group: per block 4 d | 16 x [4 rows][4 entries] | 8 x [4 rows] words
import { SCALES } from '../gemm/integers';
import { entriesOf, evenSignsAt, GridBlock, oddOf, signed } from './grid-block';
import { IQ3_XXS_GRID } from './grids';
import { FOUR_BITS } from './iq2_xxs';

const OWN: usize = 256; // byte offset in a group's block
const LEVELS: usize = memory.data<i8>([
  4, 12, 20, 28, 36, 44, 52, 62, -4, -12, -20, -28, -36, -44, -52, -62,
]);
const QUARTER: usize = memory.data<f32>([0.25]);

export type IQ3_XXS = GridBlock<Fields>;


@unmanaged
class Fields {

  @inline
  words(): i32 {
    return 24;
  }


  @inline
  kind(): i32 {
    return SCALES;
  }


  @inline
  unit(): usize {
    return QUARTER;
  }


  @inline
  levels(): usize {
    return LEVELS;
  }


  @inline
  own(part: i32): v128 {
    return v128.load(changetype<usize>(this) + ((<usize>part) << 4), OWN);
  }


  @inline
  odds(part: i32, half: i32): v128 {
    return oddOf(this.own(part), 28, FOUR_BITS);
  }


  @inline
  entry(part: i32, half: i32, i: i32): v128 {
    const at = changetype<usize>(this) + ((<usize>part) << 5) + ((<usize>half) << 4) + <usize>i;
    const high = i32x4.shl(entriesOf(IQ3_XXS_GRID, at + 1), 4);
    const signs = evenSignsAt(this.own(part), 7 * (2 * half + (i >> 1)));
    return signed(v128.or(entriesOf(IQ3_XXS_GRID, at), high), signs);
  }
}
