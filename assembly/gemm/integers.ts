// Matrix products of quantised weights in integers: activations as i16 in blocks of 32 with a scale
// each (rounded.ts), codes of 8 rows of W as i16 in a panel that stays in L1, 4 x 8 tiles. A block's
// sums are exact; blocks are scaled and added in f32 in order, and the one-token kernels of
// weights/ do the same, so a token's result is the same bits whatever the number of tokens.
//
//   panel, a block of 32 elements:
//     [scale f32 [8] | what the type has besides 2 x f32 [8] | 16 pairs of k: i16 [8 rows][2]]
import { dotAdd, madd } from '../simd';
import { addRun, Codes, PANEL_SECOND, shifted } from './codes';
import { addHalves, scaledHalves } from './halves';
import { FIRST, ROUNDED_BLOCK, ROUNDED_CODES } from './rounded';

/**
 * What stands behind the scale: nothing; an offset; the scale of the second 16 elements; their
 * offset, and how much larger that of the first 16 is.
 */
export const SCALES: i32 = 1;
export const OFFSETS: i32 = 2;
export const HALVES: i32 = 3;
export const OFFSET_HALVES: i32 = 4;

/** Bytes of a panel's block, and where its parts lie. */
export { PANEL_SECOND } from './codes';
export const PANEL_THIRD: usize = 64;
export const PANEL_CODES: usize = 96;
export const PANEL_BLOCK: usize = PANEL_CODES + 512;

/**
 * Writes blocks of a packed group of 4 rows as half of a panel; src is the group's first byte, k0
 * and count multiples of its block length.
 */
export type UnpackCodes = (dst: usize, src: usize, k0: i32, count: i32) => void;

/** Products of pairs of 16 bits. */
@unmanaged
class Pairs {

  @inline
  add(sum: v128, x: v128, w: v128): v128 {
    return dotAdd(sum, x, w);
  }


  @inline
  whole(sum: v128): v128 {
    return sum;
  }
}

// What is behind a block of codes (codes.ts): a scale; an offset too; two of them.

@unmanaged
class Scaled {

  @inline
  codes(): usize {
    return ROUNDED_CODES;
  }
}


@unmanaged
class Shifted {

  @inline
  codes(): usize {
    return ROUNDED_CODES;
  }


  @inline
  add(y: v128, w: usize, sum: v128, x: usize): v128 {
    return shifted(y, w, sum);
  }
}


@unmanaged
class ShiftedHalves {

  @inline
  codes(): usize {
    return ROUNDED_CODES;
  }


  @inline
  add(y: v128, w: usize, sum: v128, x: usize): v128 {
    return madd(shifted(y, w, sum), v128.load(w, PANEL_THIRD), v128.load32_splat(x, FIRST));
  }
}

/** Steps of halves with a scale each (halves.ts). */
@unmanaged
class Halves {

  @inline
  codes(): usize {
    return ROUNDED_CODES;
  }


  @inline
  front(): usize {
    return PANEL_CODES;
  }


  @inline
  add(sum: v128, x: v128, w: v128): v128 {
    return dotAdd(sum, x, w);
  }


  @inline
  leave(y: usize, s0: v128, s1: v128, w: usize, by: v128, x: usize): void {
    const w1 = v128.load(w, PANEL_SECOND);
    v128.store(y, scaledHalves(v128.load(y), s0, s1, v128.load(w), w1, by));
  }
}

/** y[t, 0..8] (+)= of `blocks` blocks, t < rows, a constant. y f32 ldy bytes | x rounded, ldx bytes */
@inline
function addBlocks(
  y: usize,
  x: usize,
  panel: usize,
  blocks: i32,
  rows: i32,
  ldy: usize,
  ldx: usize,
  add: bool,
  kind: i32,
): void {
  if (!add) for (let t: usize = 0; t < <usize>rows; t++) memory.fill(y + t * ldy, 0, 32);
  for (let b = 0; b < blocks; b++, panel += PANEL_BLOCK, x += ROUNDED_BLOCK) {
    const p = panel + PANEL_CODES;
    const end = x + ROUNDED_CODES;
    if (kind == SCALES) addRun<Codes<Scaled, Pairs>>(panel, y, x, p, end, rows, ldy, ldx);
    else if (kind == OFFSETS) addRun<Codes<Shifted, Pairs>>(panel, y, x, p, end, rows, ldy, ldx);
    else if (kind == OFFSET_HALVES)
      addRun<Codes<ShiftedHalves, Pairs>>(panel, y, x, p, end, rows, ldy, ldx);
    else addHalves<Halves>(y, x, panel, rows, ldy, ldx);
  }
}

/** The same of 4 tokens. */
export function tile4(
  y: usize,
  x: usize,
  panel: usize,
  blocks: i32,
  ldy: usize,
  ldx: usize,
  add: bool,
  kind: i32,
): void {
  addBlocks(y, x, panel, blocks, 4, ldy, ldx, add, kind);
}

/** The same of one. */
export function tile1(y: usize, x: usize, panel: usize, blocks: i32, add: bool, kind: i32): void {
  addBlocks(y, x, panel, blocks, 1, 0, 0, add, kind);
}
