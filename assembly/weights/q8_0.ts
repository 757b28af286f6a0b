// Q8_0 weights, 8.5 bits each. Block of 32: f16 d, 32 i8; value = d * q.
// Group: per block 4 d | 8 x [4 rows][4 k] i8
import { gemvBlocks, unpackBlockCodes, unpackBlocks } from './block32';
import { loadHalves } from '../simd';
import { dotQuad } from './unpack';

/** Elements of a block, and its 16-bit, 32-bit and 16-bit fields (pack.ts). */
export const ELEMENTS: i32 = 32;
export const HEAD: i32 = 1;
export const WORDS: i32 = 8;
export const TAIL: i32 = 0;


@unmanaged
class Block {

  @inline
  bytes(): usize {
    return 2 * HEAD + 4 * WORDS;
  }


  @inline
  bias(): i32 {
    return 0;
  }


  @inline
  scale(): v128 {
    return loadHalves(changetype<usize>(this));
  }


  @inline
  hasOffset(): bool {
    return false;
  }


  @inline
  offset(): v128 {
    return f32x4.splat(0);
  }


  @inline
  low(j: i32): v128 {
    return v128.load(changetype<usize>(this) + ((<usize>j) << 4), 8);
  }


  @inline
  high(j: i32): v128 {
    return v128.load(changetype<usize>(this) + ((<usize>j) << 4), 8 + 64);
  }


  @inline
  dot(x: usize): v128 {
    let sums = i32x4.splat(0);
    for (let j: usize = 0; j < 8; j++)
      sums = dotQuad(sums, v128.load(changetype<usize>(this) + (j << 4), 8), x + (j << 3));
    return sums;
  }
}

export function unpack(dst: usize, src: usize, k0: i32, count: i32): void {
  unpackBlocks<Block>(dst, src, k0, count);
}

export function codes(dst: usize, src: usize, k0: i32, count: i32): void {
  unpackBlockCodes<Block>(dst, src, k0, count);
}

export function gemv(y: usize, x: usize, w: usize, m: i32, k: i32): void {
  gemvBlocks<Block>(y, x, w, m, k);
}
