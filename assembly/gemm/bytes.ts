// Matrix products of quantised weights in integers of eight bits: activations as i8 in blocks of 32
// with a scale each (rounded.ts, narrow), codes of 8 rows of W as bytes in a panel, 4 x 8 tiles. Sums
// are scaled and added as integers.ts does it: for the same activations both give the same bits.
//
//   panel, a block of 32 elements:
//     [as in integers.ts, up to PANEL_CODES | what codes of the halves are too large by, twice twice
//      8 i16 | weights of the halves, twice i32 [8] | 8 x [8 rows][4 k]]
//
// Codes are bytes without a sign (block.ts): their zero, times the sum of x, comes off the sums. It
// is multiplied with the sums of the two halves of x, so a half has zeros where the other one's is.
import { dotPairs, dotQuads } from '../eight-bits';
import { madd } from '../simd';
import { addRun, Codes, PANEL_SECOND, scaled, shifted } from './codes';
import { HALVES, OFFSET_HALVES, OFFSETS, PANEL_CODES, PANEL_THIRD, SCALES } from './integers';
import { PANEL_BYTES } from './floats';
import { FIRST, NARROW_BLOCK, NARROW_CODES } from './rounded';

export const NARROW_ZERO: usize = PANEL_CODES;
export const NARROW_WEIGHTS: usize = NARROW_ZERO + 64;
export const NARROW_PANEL_CODES: usize = NARROW_WEIGHTS + 64;
export const NARROW_PANEL: usize = NARROW_PANEL_CODES + 256;

/** Halves that count by whole numbers: added to the kinds of integers.ts. */
export const WEIGHED: i32 = 8;

/** How sums are made: of four products; of two in 16 bits, a run at a time; of two, widened at once. */
export const QUADS: i32 = 0;
export const RUNS: i32 = 1;
export const PAIRS: i32 = 2;


@unmanaged
export class Quads {

  @inline
  add(sum: v128, x: v128, w: v128): v128 {
    return dotQuads(sum, x, w);
  }


  @inline
  whole(sum: v128): v128 {
    return sum;
  }
}

/** 8 times two products of codes up to 15 with i8 fit in 16 bits. */
@unmanaged
export class Runs {

  @inline
  add(sum: v128, x: v128, w: v128): v128 {
    return i16x8.add(sum, dotPairs(x, w));
  }


  @inline
  whole(sum: v128): v128 {
    return i32x4.extadd_pairwise_i16x8_s(sum);
  }
}


@unmanaged
export class Pairs {

  @inline
  add(sum: v128, x: v128, w: v128): v128 {
    return i32x4.add(sum, i32x4.extadd_pairwise_i16x8_s(dotPairs(x, w)));
  }


  @inline
  whole(sum: v128): v128 {
    return sum;
  }
}

// What is behind a run of codes (codes.ts): a scale; an offset too; a half with a scale of its own; or
// one that counts by whole numbers.

@unmanaged
class Scaled {

  @inline
  left(): usize {
    return 0;
  }


  @inline
  zero(): usize {
    return NARROW_ZERO;
  }
}

/** Codes with offsets are not too large. */
@unmanaged
class Shifted {

  @inline
  left(): usize {
    return 0;
  }


  @inline
  add(y: v128, w: usize, x: usize): v128 {
    return shifted(y, w, x);
  }
}


@unmanaged
class FirstHalf {

  @inline
  left(): usize {
    return NARROW_CODES / 2;
  }


  @inline
  zero(): usize {
    return NARROW_ZERO;
  }
}


@unmanaged
class SecondHalf {

  @inline
  left(): usize {
    return 0;
  }


  @inline
  zero(): usize {
    return NARROW_ZERO + 32 - PANEL_SECOND;
  }
}

/** Sums as i32 [8]: the first half's. */
@unmanaged
class FirstWeighed {

  @inline
  left(): usize {
    return NARROW_CODES / 2;
  }


  @inline
  zero(): usize {
    return NARROW_ZERO;
  }


  @inline
  put(to: usize, sums: v128, w: usize): void {
    v128.store(to, i32x4.mul(sums, v128.load(w, NARROW_WEIGHTS)));
  }
}

/** The second one's added. */
@unmanaged
class SecondWeighed {

  @inline
  left(): usize {
    return 0;
  }


  @inline
  zero(): usize {
    return NARROW_ZERO + 32;
  }


  @inline
  put(to: usize, sums: v128, w: usize): void {
    const product = i32x4.mul(sums, v128.load(w, NARROW_WEIGHTS + 32));
    v128.store(to, i32x4.add(v128.load(to), product));
  }
}

/** The block of weighed halves; sums: room for i32 [rows, 8]. */
@inline
function addWeighed<Dot>(
  y: usize,
  x: usize,
  panel: usize,
  sums: usize,
  rows: i32,
  ldy: usize,
  ldx: usize,
  kind: i32,
): void {
  const p = panel + NARROW_PANEL_CODES;
  const middle = x + NARROW_CODES / 2;
  const end = x + NARROW_CODES;
  addRun<Codes<FirstWeighed, Dot>>(panel, sums, x, p, middle, rows, 32, ldx);
  addRun<Codes<SecondWeighed, Dot>>(panel, sums, middle, p + 128, end, rows, 32, ldx);
  for (let t = 0; t < rows; t++, y += ldy, x += ldx, sums += 32) {
    for (let half: usize = 0; half < 32; half += 16) {
      const w = panel + half;
      const at = x + NARROW_CODES;
      let all = scaled(v128.load(y + half), v128.load(sums + half), w, at);
      if (kind == (OFFSET_HALVES | WEIGHED)) {
        all = shifted(all, w, at);
        all = madd(all, v128.load(w, PANEL_THIRD), v128.load32_splat(at, FIRST));
      }
      v128.store(y + half, all);
    }
  }
}

/** y[t, 0..8] (+)= of `blocks` blocks, t < rows, a constant. y f32 ldy bytes | x narrow, ldx bytes */
@inline
function addBlocks<Dot>(
  y: usize,
  x: usize,
  panel: usize,
  sums: usize,
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
    else if (kind == HALVES) {
      const w = panel + PANEL_SECOND;
      const middle = x + NARROW_CODES / 2;
      addRun<Codes<FirstHalf, Dot>>(panel, y, x, p, middle, rows, ldy, ldx);
      addRun<Codes<SecondHalf, Dot>>(w, y, middle, p + 128, end, rows, ldy, ldx);
    } else addWeighed<Dot>(y, x, panel, sums, rows, ldy, ldx, kind);
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
  // behind all blocks of a panel
  const sums = panel + <usize>PANEL_BYTES - 128;
  if (dot == QUADS) addBlocks<Quads>(y, x, panel, sums, blocks, rows, ldy, ldx, add, kind);
  else if (dot == RUNS) addBlocks<Runs>(y, x, panel, sums, blocks, rows, ldy, ldx, add, kind);
  else addBlocks<Pairs>(y, x, panel, sums, blocks, rows, ldy, ldx, add, kind);
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
