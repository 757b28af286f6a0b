// Q5_K weights, 5.5 bits each. Block of 256: f16 d, dmin; 12 bytes of 8 6-bit scales and mins
// (k-scales.ts); 32 bytes of fifth bits; 128 bytes, 64 elements each 32: low nibbles, then high;
// value = d * scale * q - dmin * min. Group: per block 4 d | 4 dmin | 3 x [4 rows][4 bytes] scales
// | 8 x [4 rows][4 bytes] fifth bits | 32 x [4 rows][4 bytes]
import { gemvBlocks, unpackBlockCodes, unpackBlocks } from './block256';
import { dotBytes, fifthOfBytes, highNibbles, lowNibbles } from './unpack';

/** Elements of a block, and its 16-bit, 32-bit and 16-bit fields (pack.ts). */
export const ELEMENTS: i32 = 256;
export const HEAD: i32 = 2;
export const WORDS: i32 = 43;
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
    return v128.load(changetype<usize>(this) + ((<usize>pair) << 7) + ((<usize>j) << 4), 192);
  }

  /** Their fifth bits, bit i of a byte for part i. */
  @inline
  fifth(j: i32): v128 {
    return v128.load(changetype<usize>(this) + ((<usize>j) << 4), 64);
  }


  @inline
  low(pair: i32, j: i32): v128 {
    return v128.or(lowNibbles(this.nibbles(pair, j)), fifthOfBytes(this.fifth(j), 2 * pair));
  }


  @inline
  high(pair: i32, j: i32): v128 {
    return v128.or(highNibbles(this.nibbles(pair, j)), fifthOfBytes(this.fifth(j), 2 * pair + 1));
  }

  /** sums + products of a quad with x. */
  @inline
  addLow(sums: v128, nibbles: v128, fifth: v128, pair: i32, x: usize): v128 {
    return dotBytes(sums, v128.or(lowNibbles(nibbles), fifthOfBytes(fifth, 2 * pair)), x);
  }


  @inline
  addHigh(sums: v128, nibbles: v128, fifth: v128, pair: i32, x: usize): v128 {
    return dotBytes(sums, v128.or(highNibbles(nibbles), fifthOfBytes(fifth, 2 * pair + 1)), x);
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
