// Scales in front of codes that are f16 and nothing else: an S of block.ts.
import { OFFSETS, SCALES } from '../gemm/integers';
import { loadHalves } from '../simd';

/** One f16 a block: its scale. Group: 4 d */
export type Scale = Halves<u16, u8>;
/** The same of two and of four parts. */
export type ScaleOfTwo = Halves<u16, u16>;
export type ScaleOfFour = Halves<u16, u32>;
/** Two: the scale and an offset. Group: 4 d | 4 m */
export type ScaleOffset = Halves<u32, u8>;

/** T is as large as they are, Parts has a byte for each of the parts. */
@unmanaged
class Halves<T, Parts> {

  @inline
  parts(): i32 {
    return sizeof<Parts>();
  }


  @inline
  head(): i32 {
    return sizeof<T>() / 2;
  }


  @inline
  kind(): i32 {
    return this.head() == 2 ? OFFSETS : SCALES;
  }


  @inline
  scale(d: v128, scales: v128, part: i32): v128 {
    return loadHalves(changetype<usize>(this));
  }


  @inline
  second(m: v128, seconds: v128, part: i32): v128 {
    return loadHalves(changetype<usize>(this) + 8);
  }
}
