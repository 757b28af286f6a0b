// Products of eight bits, 16 an instruction. What becomes of the highest bit of a weight's byte is
// left open by the standard of relaxed SIMD, so it is asked once, when the module starts:
//
//   UNSIGNED   bytes are 0 .. 255: x86 with AVX-VNNI
//   SIGNED     bytes are -128 .. 127: Arm with the dot product, x86 with AVX-VNNI-INT8
//   SEVENS     two neighbours' products are added in 16 bits and saturate: other x86. Bytes up to
//              127 are exact, and several sums of codes of four bits fit there, too
//   NONE       no relaxed SIMD
//
// Sums are whole numbers and exact in all of them, so all give the same bits. The debug build, which
// tests load, computes as any of them would.
import { constant, dotPairsRelaxed, dotQuadsRelaxed } from './simd';

export const NONE: i32 = 0;
export const UNSIGNED: i32 = 1;
export const SIGNED: i32 = 2;
export const SEVENS: i32 = 3;

/** Whether the build has such kernels. */
export const HAS_BYTES: bool = ASC_FEATURE_RELAXED_SIMD || !ASC_NO_ASSERT;

const LARGEST: usize = memory.data<u32>([0x7f7f7f7f]);
const ALL_BITS: usize = memory.data<u32>([0xffffffff]);

/** What the debug build computes as. */
let emulated: i32 = UNSIGNED;
let found: i32 = probe();
/** What bytes with a sign are changed by, to be what the engine multiplies. */
let flipped: v128 = flipOf();

/** 127 times byte 255, four times. */
function probe(): i32 {
  if (!HAS_BYTES) return NONE;
  const sums = dotQuads(i32x4.splat(0), constant(LARGEST), constant(ALL_BITS));
  const sum = i32x4.extract_lane(sums, 0);
  return sum == 4 * 127 * 255 ? UNSIGNED : sum == -4 * 127 ? SIGNED : SEVENS;
}

function flipOf(): v128 {
  return i8x16.splat(found == UNSIGNED ? <i8>0x80 : 0);
}

/** What was found. */
export function eight_bits(): i32 {
  return found;
}

/**
 * Tests: computes as another engine does. In a build that ships only SEVENS, which is right
 * everywhere.
 */
export function use_eight_bits(kind: i32): void {
  if (!HAS_BYTES) return;
  emulated = kind;
  found = kind == SEVENS ? kind : probe();
  flipped = flipOf();
}

/** Bytes with a sign as the engine multiplies them, and what they are too large by then. */
@inline
export function flip(bytes: v128): v128 {
  return v128.xor(bytes, flipped);
}


@inline
export function flippedZero(): i32 {
  return found == UNSIGNED ? 128 : 0;
}

/** acc + sums of four neighbours' products: x i8, w as above. */
@inline
export function dotQuads(acc: v128, x: v128, w: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? dotQuadsRelaxed(acc, x, w) : emulateQuads(acc, x, w);
}

/** Sums of two neighbours' products as i16: x i8, w up to 127. */
@inline
export function dotPairs(x: v128, w: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? dotPairsRelaxed(x, w) : emulatePairs(x, w);
}

/** Sums of two neighbours' products. */
function emulateWide(x: v128, w: v128, high: bool): v128 {
  const a = high ? i16x8.extend_high_i8x16_s(x) : i16x8.extend_low_i8x16_s(x);
  const signed = high ? i16x8.extend_high_i8x16_s(w) : i16x8.extend_low_i8x16_s(w);
  const bytes = high ? i16x8.extend_high_i8x16_u(w) : i16x8.extend_low_i8x16_u(w);
  return i32x4.dot_i16x8_s(a, emulated == SIGNED ? signed : bytes);
}

function emulatePairs(x: v128, w: v128): v128 {
  return i16x8.narrow_i32x4_s(emulateWide(x, w, false), emulateWide(x, w, true));
}

function emulateQuads(acc: v128, x: v128, w: v128): v128 {
  if (emulated == SEVENS) return i32x4.add(acc, i32x4.extadd_pairwise_i16x8_s(emulatePairs(x, w)));
  const low = emulateWide(x, w, false);
  const high = emulateWide(x, w, true);
  const even = i32x4.shuffle(low, high, 0, 2, 4, 6);
  return i32x4.add(acc, i32x4.add(even, i32x4.shuffle(low, high, 1, 3, 5, 7)));
}
