// Codes that several types have: the C of block.ts. What these classes say is numbers and places, a
// method each, so they look alike where they differ most.
import { choose } from '../simd';
import { fifthOfBytes, nibbles } from './unpack';

/** Vector i of what lies at p. */
@inline
function vector(p: usize, i: usize): v128 {
  return v128.load(p + (i << 4));
}

/** Signed bytes. 8 x [4 rows][4 k] */
@unmanaged
export class Bytes {

  @inline
  words(): i32 {
    return 8;
  }


  @inline
  bytes(pair: i32, i: usize): v128 {
    return vector(changetype<usize>(this), i);
  }


  @inline
  bits(shared: v128, pair: i32, i: usize): v128 {
    return vector(changetype<usize>(this) + 64, i);
  }


  @inline
  quad(bytes: v128, bits: v128, pair: i32, run: i32, i: usize): v128 {
    return run == 0 ? bytes : bits;
  }
}

/** Nibbles: elements 0 .. 15 low, 16 .. 31 high. 4 x [4 rows][4 bytes] */
@unmanaged
export class Nibbles {

  @inline
  words(): i32 {
    return 4;
  }


  @inline
  bytes(pair: i32, i: usize): v128 {
    return vector(changetype<usize>(this), i);
  }
}

/**
 * Nibbles that number one of 16 signed bytes, the values of V; or codes that are zero() too large,
 * where they don't take all eight bits. A part, low nibbles first; parts lie one behind another.
 * 4 x [4 rows][4 bytes]
 */
@unmanaged
export class Chosen<V> {

  @inline
  words(): i32 {
    return 4;
  }


  @inline
  bias(): i32 {
    return 0;
  }


  @inline
  bytes(part: i32, i: usize): v128 {
    return vector(changetype<usize>(this) + ((<usize>part) << 6), i);
  }


  @inline
  quad(bytes: v128, bits: v128, part: i32, run: i32, i: usize): v128 {
    return choose(changetype<V>(0).values(), nibbles(bytes, run));
  }


  @inline
  eights(): bool {
    return changetype<V>(0).zero() == 0;
  }


  @inline
  code(bytes: v128, bits: v128, part: i32, run: i32, i: usize): v128 {
    return choose(changetype<V>(0).codes(), nibbles(bytes, run));
  }


  @inline
  zero(): i32 {
    return changetype<V>(0).zero();
  }


  @inline
  most(): i32 {
    return 2 * this.zero();
  }
}

/** The same of five bits: 4 words of fifth bits, turned | 4 x [4 rows][4 bytes] */
@unmanaged
export class Fives {

  @inline
  turned(): i32 {
    return 1;
  }


  @inline
  unrollsQuads(): bool {
    return true;
  }


  @inline
  words(): i32 {
    return 5;
  }


  @inline
  bytes(pair: i32, i: usize): v128 {
    return vector(changetype<usize>(this) + 16, i);
  }


  @inline
  shared(): v128 {
    return v128.load(changetype<usize>(this));
  }


  @inline
  bits(shared: v128, pair: i32, i: usize): v128 {
    return shared;
  }


  @inline
  quad(bytes: v128, bits: v128, pair: i32, run: i32, i: usize): v128 {
    return v128.or(nibbles(bytes, run), fifthOfBytes(bits, 4 * run + <i32>i));
  }
}

/** Nibbles of 64 elements each 32 bytes: a part low, the next one high. 32 x [4 rows][4 bytes] */
@unmanaged
export class PairedNibbles {

  @inline
  elements(): i32 {
    return 256;
  }


  @inline
  words(): i32 {
    return 32;
  }


  @inline
  bytes(pair: i32, i: usize): v128 {
    return vector(changetype<usize>(this) + ((<usize>pair) << 7), i);
  }
}

/**
 * The same of five bits, bit j of a byte for part j: 8 x [4 rows][4 bytes] | 32 x [4 rows][4 bytes]
 */
@unmanaged
export class PairedFives {

  @inline
  elements(): i32 {
    return 256;
  }


  @inline
  words(): i32 {
    return 40;
  }


  @inline
  bytes(pair: i32, i: usize): v128 {
    return vector(changetype<usize>(this) + 128 + ((<usize>pair) << 7), i);
  }


  @inline
  bits(shared: v128, pair: i32, i: usize): v128 {
    return vector(changetype<usize>(this), i);
  }


  @inline
  quad(bytes: v128, bits: v128, pair: i32, run: i32, i: usize): v128 {
    return v128.or(nibbles(bytes, run), fifthOfBytes(bits, 2 * pair + run));
  }
}
