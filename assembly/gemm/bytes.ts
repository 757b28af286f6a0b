// Matrix products of quantised weights in integers of eight bits: activations as i8 in blocks of 32
// with a scale each (rounded.ts, narrow), codes of 8 rows of W as bytes in a panel, 4 x 8 tiles. Sums
// are scaled and added as integers.ts does it: for the same activations both give the same bits.
//
//   panel, a block of 32 elements:
//     [as in integers.ts, up to PANEL_CODES | less what codes of the halves are too large by, twice
//      twice 8 i16 | weights of the halves, twice i32 [8] | 8 x [8 rows][4 k]]
//
// Codes are bytes without a sign (block.ts): sums begin with less their zero times the sum of x. It is
// multiplied with the sums of the two halves of x, so a half has zeros where the other one's is.
import { madd } from '../simd';
import { addRun, Codes, PANEL_SECOND, scaled, shifted } from './codes';
import { Pairs, Quads, QUADS, Runs, RUNS } from './dots';
import { addHalves, scaledHalves } from './halves';
import { HALVES, OFFSET_HALVES, OFFSETS, PANEL_CODES, PANEL_THIRD, SCALES } from './integers';
import { FIRST, NARROW_BLOCK, NARROW_CODES, SUM, TOTAL } from './rounded';

export const NARROW_ZERO: usize = PANEL_CODES;
export const NARROW_WEIGHTS: usize = NARROW_ZERO + 64;
export const NARROW_PANEL_CODES: usize = NARROW_WEIGHTS + 64;
export const NARROW_PANEL: usize = NARROW_PANEL_CODES + 256;

/** Halves that count by whole numbers: added to the kinds of integers.ts. */
export const WEIGHED: i32 = 8;

/** What sums begin with. w: zeros, x: behind codes. */
@inline
function lessZeros(w: usize, x: usize): v128 {
  return i32x4.dot_i16x8_s(v128.load32_splat(x, TOTAL), v128.load(w, NARROW_ZERO));
}

// What is behind a block of codes (codes.ts): a scale; an offset too.

@unmanaged
class Scaled {

  @inline
  codes(): usize {
    return NARROW_CODES;
  }


  @inline
  start(w: usize, x: usize): v128 {
    return lessZeros(w, x);
  }
}

/** Codes with offsets are not too large. */
@unmanaged
class Shifted {

  @inline
  codes(): usize {
    return NARROW_CODES;
  }


  @inline
  add(y: v128, w: usize, sum: v128, x: usize): v128 {
    return shifted(y, w, sum);
  }
}

/**
 * Steps of halves (halves.ts); Behind is what is made of y and whole sums, and whether codes are too
 * large.
 */
@unmanaged
class Halves<Behind, Dot> {

  @inline
  codes(): usize {
    return NARROW_CODES;
  }


  @inline
  front(): usize {
    return NARROW_PANEL_CODES;
  }


  @inline
  begins(): bool {
    return isDefined(changetype<Behind>(0).zeros) && !isDefined(changetype<Dot>(0).late);
  }


  @inline
  zeros(w: usize, half: usize): v128 {
    return v128.load(w + 32 * half, NARROW_ZERO);
  }


  @inline
  totals(x: usize): v128 {
    return v128.load32_splat(x, TOTAL);
  }


  @inline
  add(sum: v128, x: v128, w: v128): v128 {
    return changetype<Dot>(0).add(sum, x, w);
  }


  @inline
  whole(sums: v128, w: usize, x: usize, half: usize): v128 {
    const whole = changetype<Dot>(0).whole(sums);
    if (!isDefined(changetype<Behind>(0).zeros) || !isDefined(changetype<Dot>(0).late))
      return whole;
    return i32x4.add(whole, lessZeros(w + 32 * half, x));
  }


  @inline
  leave(y: usize, s0: v128, s1: v128, w: usize, by: v128, x: usize): void {
    const first = this.whole(s0, w, x, 0);
    const second = this.whole(s1, w, x, 1);
    v128.store(y, changetype<Behind>(0).add(v128.load(y), first, second, w, by, x));
  }
}

// Behind halves: a scale each; a weight each, which is a whole number, and a scale; or offsets too.

@unmanaged
class EachScaled {

  @inline
  zeros(): bool {
    return true;
  }


  @inline
  add(y: v128, s0: v128, s1: v128, w: usize, by: v128, x: usize): v128 {
    return scaledHalves(y, s0, s1, v128.load(w), v128.load(w, PANEL_SECOND), by);
  }
}


@unmanaged
class Weighed {

  @inline
  zeros(): bool {
    return true;
  }


  @inline
  add(y: v128, s0: v128, s1: v128, w: usize, by: v128, x: usize): v128 {
    const first = i32x4.mul(s0, v128.load(w, NARROW_WEIGHTS));
    const second = i32x4.mul(s1, v128.load(w, NARROW_WEIGHTS + 32));
    return scaled(y, i32x4.add(first, second), w, by);
  }
}

/** Such codes have no zero: their offsets are told. */
@unmanaged
class WeighedOffsets {

  @inline
  add(y: v128, s0: v128, s1: v128, w: usize, by: v128, x: usize): v128 {
    const sum = v128.load32_splat(x, SUM);
    const all = shifted(changetype<Weighed>(0).add(y, s0, s1, w, by, x), w, sum);
    return madd(all, v128.load(w, PANEL_THIRD), v128.load32_splat(x, FIRST));
  }
}

/** y[t, 0..8] (+)= of `blocks` blocks, t < rows, a constant. y f32 ldy bytes | x narrow, ldx bytes */
@inline
function addBlocks<Dot>(
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
  for (let b = 0; b < blocks; b++, panel += NARROW_PANEL, x += NARROW_BLOCK) {
    const p = panel + NARROW_PANEL_CODES;
    const end = x + NARROW_CODES;
    if (kind == SCALES) addRun<Codes<Scaled, Dot>>(panel, y, x, p, end, rows, ldy, ldx);
    else if (kind == OFFSETS) addRun<Codes<Shifted, Dot>>(panel, y, x, p, end, rows, ldy, ldx);
    else if (kind == HALVES) addHalves<Halves<EachScaled, Dot>>(y, x, panel, rows, ldy, ldx);
    else if (kind == (SCALES | WEIGHED))
      addHalves<Halves<Weighed, Dot>>(y, x, panel, rows, ldy, ldx);
    else addHalves<Halves<WeighedOffsets, Dot>>(y, x, panel, rows, ldy, ldx);
  }
}


@inline
function addAll(
  y: usize,
  x: usize,
  panel: usize,
  blocks: i32,
  rows: i32,
  ldy: usize,
  ldx: usize,
  add: bool,
  kind: i32,
  dot: i32,
): void {
  if (dot == QUADS) addBlocks<Quads>(y, x, panel, blocks, rows, ldy, ldx, add, kind);
  else if (dot == RUNS) addBlocks<Runs>(y, x, panel, blocks, rows, ldy, ldx, add, kind);
  else addBlocks<Pairs>(y, x, panel, blocks, rows, ldy, ldx, add, kind);
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
  dot: i32,
): void {
  addAll(y, x, panel, blocks, 4, ldy, ldx, add, kind, dot);
}

/** The same of one. */
export function tile1(
  y: usize,
  x: usize,
  panel: usize,
  blocks: i32,
  add: bool,
  kind: i32,
  dot: i32,
): void {
  addAll(y, x, panel, blocks, 1, 0, 0, add, kind, dot);
}
