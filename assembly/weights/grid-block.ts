// Types whose codes are numbers of a grid's entries (grids.ts), 8 elements each, in blocks of 256. A
// type is a class T that says where its fields lie; scales and codes of block.ts follow from it:
//
//   T: `this` is where the group's words lie, behind what is in front of them
//   words()                  32-bit fields of a block
//   kind()                   SCALES: a part has one scale; HALVES: each half of it has its own
//   unit()                   where the f32 is that d is times
//   odds(part, half)         i32 [4 rows]: what d, times unit(), is times
//   entry(part, half, i)     elements i * 4 .. i * 4 + 7 of half a part, i 0 or 2, as digits (grids.ts)
//                            with a sign, 0x88888888 where all are negative
//   levels()                 where the codes of the 8 digits, and of the 8 with a sign, are
//   head(), d()              where there is not one f16 in front of the words
import { HALVES } from '../gemm/integers';
import { constant, loadSmallHalves, choose } from '../simd';
import { Block } from './block';
import { nibbles } from './unpack';

const SIGNS: usize = memory.data<u32>([0x88888888]);
const SEVEN_BITS: usize = memory.data<u32>([0x7f]);
const NIBBLE: usize = memory.data<u32>([0xf]);
/** The eighth bit for each nibble that has an odd number of bits. */
const ODD: usize = memory.data<u8>([
  0, 0x80, 0x80, 0, 0x80, 0, 0, 0x80, 0x80, 0, 0, 0x80, 0, 0x80, 0x80, 0,
]);
const BYTE: usize = memory.data<u32>([0xff]);
const ONE: usize = memory.data<u32>([1]);

export type GridBlock<T> = Block<GridScales<T>, GridCodes<T>>;


@unmanaged
export class GridScales<T> {

  @inline
  head(): i32 {
    const t = changetype<T>(0);
    return isDefined(t.head) ? t.head() : 1;
  }


  @inline
  kind(): i32 {
    return changetype<T>(0).kind();
  }


  @inline
  fields(): T {
    return changetype<T>(changetype<usize>(this) + 8 * <usize>this.head());
  }


  @inline
  d(): v128 {
    const t = this.fields();
    const d = isDefined(t.d) ? t.d() : loadSmallHalves(changetype<usize>(this));
    return f32x4.mul(d, constant(t.unit()));
  }


  @inline
  m(): v128 {
    return this.d();
  }


  @inline
  scale(d: v128, scales: v128, part: i32): v128 {
    return f32x4.mul(d, f32x4.convert_i32x4_s(this.fields().odds(part, 0)));
  }


  @inline
  second(m: v128, seconds: v128, part: i32): v128 {
    return this.kind() == HALVES
      ? f32x4.mul(m, f32x4.convert_i32x4_s(this.fields().odds(part, 1)))
      : i32x4.splat(0);
  }
}


@unmanaged
export class GridCodes<T> {

  @inline
  fields(): T {
    return changetype<T>(changetype<usize>(this));
  }


  @inline
  elements(): i32 {
    return 256;
  }


  @inline
  words(): i32 {
    return this.fields().words();
  }

  /** Levels are signed as they come. */
  @inline
  bias(): i32 {
    return 0;
  }


  @inline
  run(): i32 {
    return 16;
  }


  @inline
  quads(): usize {
    return 2;
  }


  @inline
  bytes(part: i32, i: usize): v128 {
    return this.fields().entry(part, 0, <i32>i);
  }


  @inline
  bits(shared: v128, part: i32, i: usize): v128 {
    return this.fields().entry(part, 1, <i32>i);
  }


  @inline
  quad(bytes: v128, bits: v128, part: i32, run: i32, i: usize): v128 {
    const digits = (run & 1) == 0 ? bytes : bits;
    return choose(v128.load(this.fields().levels()), nibbles(digits, run >> 1));
  }


  @inline
  code(bytes: v128, bits: v128, part: i32, run: i32, i: usize): v128 {
    return i8x16.add(this.quad(bytes, bits, part, run, i), i8x16.splat(64));
  }

  /** No level is larger. */
  @inline
  zero(): i32 {
    return 64;
  }
}

/** Entries that four rows' bytes at p name. */
@inline
export function entriesOf(grid: usize, p: usize): v128 {
  let v = v128.load32_zero(grid + ((<usize>load<u8>(p)) << 2));
  v = v128.load32_lane(grid + ((<usize>load<u8>(p, 4)) << 2), v, 1);
  v = v128.load32_lane(grid + ((<usize>load<u8>(p, 8)) << 2), v, 2);
  return v128.load32_lane(grid + ((<usize>load<u8>(p, 12)) << 2), v, 3);
}

/**
 * The same of numbers longer than a byte: their upper bits are in a U at `upper`, where they belong
 * once shifted to the left, and masked.
 */
@inline
export function longEntriesOf<U>(grid: usize, p: usize, upper: usize, left: i32, mask: u32): v128 {
  let v = v128.load32_zero(grid + placeOf<U>(p, upper, left, mask));
  v = v128.load32_lane(grid + placeOf<U>(p + 4, upper + 4, left, mask), v, 1);
  v = v128.load32_lane(grid + placeOf<U>(p + 8, upper + 8, left, mask), v, 2);
  return v128.load32_lane(grid + placeOf<U>(p + 12, upper + 12, left, mask), v, 3);
}

/** Where an entry lies in a grid. */
@inline
function placeOf<U>(p: usize, upper: usize, left: i32, mask: u32): usize {
  return ((<usize>load<u8>(p)) << 2) | (<usize>(((<u32>load<U>(upper)) << left) & mask));
}

/** Digits with signs: bit j of the lowest byte is the sign of number j. */
@inline
export function signed(digits: v128, signs: v128): v128 {
  // byte j has digits j and 4 + j, the sign above each: bits 3 and 7
  const two = v128.or(i32x4.shl(signs, 3), i32x4.shl(signs, 10));
  const four = v128.or(two, i32x4.shl(two, 14));
  return v128.or(digits, v128.and(four, constant(SIGNS)));
}

/** 8 signs at bit `at` of words. */
@inline
export function signsAt(words: v128, at: i32): v128 {
  return v128.and(i32x4.shr_u(words, at), constant(BYTE));
}

/** 7 signs at bit `at`, and the one that makes their number even. */
@inline
export function evenSignsAt(words: v128, at: i32): v128 {
  const seven = v128.and(i32x4.shr_u(words, at), constant(SEVEN_BITS));
  const folded = v128.and(v128.xor(seven, i32x4.shr_u(seven, 4)), constant(NIBBLE));
  return v128.or(seven, choose(v128.load(ODD), folded));
}

/** Where byte i of a row's lies, four to a word. */
@inline
export function byteOf(i: i32): usize {
  return (((<usize>i) >> 2) << 4) + ((<usize>i) & 3);
}

/** Where pair i of bytes lies. */
@inline
export function pairOf(i: i32): usize {
  return byteOf(2 * i);
}

/** 2 s + 1, where s is a field of words at bit `at`, as wide as `mask` says. */
@inline
export function oddOf(words: v128, at: i32, mask: usize): v128 {
  const field = v128.and(i32x4.shr_u(words, at), constant(mask));
  return v128.or(i32x4.shl(field, 1), constant(ONE));
}
