// Q5_1 weights, 6.0 bits each. Block of 32: f16 d, m; 32 fifth bits; 16 bytes, low nibbles k 0..15,
// high k 16..31; value = d * q + m. Group: per block 4 d | 4 m | 4 words of fifth bits | 4 x [4
// rows][4 bytes]
import { gemvBlocks, unpackBlockCodes, unpackBlocks } from './block32';
import { loadHalves } from '../simd';
import { dotFives, fifthBits, highNibbles, lowNibbles } from './unpack';

/** Elements of a block, and its 16-bit, 32-bit and 16-bit fields (pack.ts). */
export const ELEMENTS: i32 = 32;
export const HEAD: i32 = 2;
export const WORDS: i32 = 5;
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
    return true;
  }


  @inline
  offset(): v128 {
    return loadHalves(changetype<usize>(this) + 8);
  }


  @inline
  low(j: i32): v128 {
    const v = v128.load(changetype<usize>(this) + ((<usize>j) << 4), 32);
    return v128.or(lowNibbles(v), fifthBits(v128.load(changetype<usize>(this), 16), j << 2));
  }


  @inline
  high(j: i32): v128 {
    const v = v128.load(changetype<usize>(this) + ((<usize>j) << 4), 32);
    return v128.or(
      highNibbles(v),
      fifthBits(v128.load(changetype<usize>(this), 16), 16 + (j << 2)),
    );
  }


  @inline
  dot(x: usize): v128 {
    return dotFives(changetype<usize>(this) + 32, v128.load(changetype<usize>(this), 16), x);
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
