// TQ2_0 weights, 2.0625 bits each. Block of 256: 64 bytes, 128 elements each 32: the lowest pair of
// bits is k 0..31, the next one k 32..63 ..; f16 d; value = d * (q - 1). Group: per block 4 d |
// 16 x [4 rows][4 bytes]
import { Block } from './block';
import { SCALES } from '../gemm/integers';
import { loadHalves } from '../simd';
import { fourParts } from './unpack';

export type TQ2_0 = Block<ScaleBehind, Thirds>;


@unmanaged
class ScaleBehind {

  @inline
  tail(): i32 {
    return 1;
  }


  @inline
  kind(): i32 {
    return SCALES;
  }


  @inline
  scale(d: v128, scales: v128, part: i32): v128 {
    return loadHalves(changetype<usize>(this));
  }
}


@unmanaged
class Thirds {

  @inline
  elements(): i32 {
    return 256;
  }


  @inline
  words(): i32 {
    return 16;
  }


  @inline
  run(): i32 {
    return 16;
  }


  @inline
  bias(): i32 {
    return 1;
  }


  @inline
  quad(bytes: v128, bits: v128, part: i32, run: i32, i: usize): v128 {
    return fourParts(changetype<usize>(this), part, run, i);
  }
}
