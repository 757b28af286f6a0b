// Q4_K weights, 4.5 bits each. Block of 256: f16 d, dmin; 12 bytes of 8 6-bit scales and mins
// (k-scales.ts); 128 bytes, 64 elements each 32: low nibbles, then high; value = d * scale * q -
// dmin * min. Group: per block 4 d | 4 dmin | 3 x [4 rows][4 bytes] scales | 32 x [4 rows][4 bytes]
import { gemvBlocks, unpackBlockCodes, unpackBlocks } from './block256';
import { dotHighNibbles, dotLowNibbles, highNibbles, lowNibbles } from './unpack';

/** Elements of a block, and its 16-bit, 32-bit and 16-bit fields (pack.ts). */
export const ELEMENTS: i32 = 256;
export const HEAD: i32 = 2;
export const WORDS: i32 = 35;
export const TAIL: i32 = 0;


@unmanaged
class Block {

  @inline
  bytes(): usize {
    return 2 * HEAD + 4 * WORDS;
  }

  /** Quad j of a pair's bytes. */
  @inline
  nibbles(pair: i32, j: i32): v128 {
    return v128.load(changetype<usize>(this) + ((<usize>pair) << 7) + ((<usize>j) << 4), 64);
  }

  /** There are none. */
  @inline
  fifth(j: i32): v128 {
    return i32x4.splat(0);
  }


  @inline
  low(pair: i32, j: i32): v128 {
    return lowNibbles(this.nibbles(pair, j));
  }


  @inline
  high(pair: i32, j: i32): v128 {
    return highNibbles(this.nibbles(pair, j));
  }

  /** sums + products of a quad with x. */
  @inline
  addLow(sums: v128, nibbles: v128, fifth: v128, pair: i32, x: usize): v128 {
    return dotLowNibbles(sums, nibbles, x);
  }


  @inline
  addHigh(sums: v128, nibbles: v128, fifth: v128, pair: i32, x: usize): v128 {
    return dotHighNibbles(sums, nibbles, x);
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
