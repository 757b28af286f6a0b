// Q4_0 weights, 4.5 bits each. Block of 32: f16 d; 16 bytes, low nibbles k 0..15, high k 16..31;
// value = d * (q - 8). Group: per block 4 d | 4 x [4 rows][4 bytes]
import { gemvBlocks, unpackBlockCodes, unpackBlocks } from './block32';
import { constant, loadHalves } from '../simd';
import { dotNibbles, highNibbles, lowNibbles } from './unpack';

const MINUS_8: usize = memory.data<f32>([-8]);

/** Elements of a block, and its 16-bit, 32-bit and 16-bit fields (pack.ts). */
export const ELEMENTS: i32 = 32;
export const HEAD: i32 = 1;
export const WORDS: i32 = 4;
export const TAIL: i32 = 0;


@unmanaged
class Block {

  @inline
  bytes(): usize {
    return 2 * HEAD + 4 * WORDS;
  }


  @inline
  bias(): i32 {
    return 8;
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
    return f32x4.mul(this.scale(), constant(MINUS_8));
  }


  @inline
  low(j: i32): v128 {
    return lowNibbles(v128.load(changetype<usize>(this) + ((<usize>j) << 4), 8));
  }


  @inline
  high(j: i32): v128 {
    return highNibbles(v128.load(changetype<usize>(this) + ((<usize>j) << 4), 8));
  }


  @inline
  dot(x: usize): v128 {
    return dotNibbles(changetype<usize>(this) + 8, x);
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
