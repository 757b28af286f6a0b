// IQ2_XXS weights, 2.0625 bits each. Block of 256: f16 d; a part of 32: 4 bytes, entries of the grid; a
// word: 4 x 7 signs, the eighth makes their number even, 4 bits of scale; value = d / 8 * (2 * scale
// + 1) * level. Group: per block 4 d | 8 x [4 rows][4 entries], [4 rows] words
import { SCALES } from '../gemm/integers';
import { entriesOf, evenSignsAt, GridBlock, oddOf, signed } from './grid-block';
import { IQ2_XXS_GRID } from './grids';

/** Levels of the IQ2 types, and below zero. */
export const IQ2_LEVELS: usize = memory.data<i8>([
  8, 25, 43, 0, 0, 0, 0, 0, -8, -25, -43, 0, 0, 0, 0, 0,
]);
export const EIGHTH: usize = memory.data<f32>([0.125]);
/** Of a scale. */
export const FOUR_BITS: usize = memory.data<u32>([0xf]);

export type IQ2_XXS = GridBlock<Fields>;


@unmanaged
class Fields {

  @inline
  words(): i32 {
    return 16;
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
    return IQ2_LEVELS;
  }


  @inline
  part(part: i32): usize {
    return changetype<usize>(this) + ((<usize>part) << 5);
  }


  @inline
  odds(part: i32, half: i32): v128 {
    return oddOf(v128.load(this.part(part), 16), 28, FOUR_BITS);
  }


  @inline
  entry(part: i32, half: i32, i: i32): v128 {
    const e = 2 * half + (i >> 1);
    const signs = evenSignsAt(v128.load(this.part(part), 16), 7 * e);
    return signed(entriesOf(IQ2_XXS_GRID, this.part(part) + <usize>e), signs);
  }
}
