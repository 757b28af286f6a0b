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
import {
  HALVES,
  OFFSET_HALVES,
  OFFSETS,
  PANEL_CODES,
  PANEL_SECOND,
  PANEL_THIRD,
  SCALES,
} from './integers';
import { PANEL_BYTES } from './floats';
import { FIRST, NARROW_BLOCK, NARROW_CODES, SCALE, SUM, TOTAL } from './rounded';
import { sumTile } from './tile';

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

// What is behind a run, whose scales lie at w; left(): bytes from it to what is behind the codes of x;
// zero(): where, from w, the zeros lie.

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


@unmanaged
class Shifted {

  @inline
  left(): usize {
    return 0;
  }

  /** sums + offsets times the sum of the block of x. */
  @inline
  add(sums: v128, w: usize, x: usize): v128 {
    return madd(sums, v128.load(w, PANEL_SECOND), v128.load32_splat(x, SUM));
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

/** Whole sums less what the codes of x's block, whose end is at x, are too large by. */
@inline
function lessZero(sums: v128, zero: usize, x: usize): v128 {
  const totals = v128.load32_splat(x, TOTAL);
  return i32x4.sub(sums, i32x4.dot_i16x8_s(totals, v128.load(zero)));
}

/** y + sums, scaled by what lies at w. */
@inline
function scaled(y: v128, sums: v128, w: usize, x: usize): v128 {
  const by = f32x4.mul(v128.load(w), v128.load32_splat(x, SCALE));
  return madd(y, f32x4.convert_i32x4_s(sums), by);
}

/** Steps of quads of codes (tile.ts); `this` is where a run's scales lie. */
@unmanaged
class Codes<Behind, Dot> {

  @inline
  load(p: usize): v128 {
    return v128.load(p);
  }


  @inline
  size(): usize {
    return 16;
  }


  @inline
  add(sum: v128, x: v128, w: v128): v128 {
    return changetype<Dot>(0).add(sum, x, w);
  }


  @inline
  one(y: usize, sums: v128, w: usize, x: usize): void {
    const behind = changetype<Behind>(0);
    let whole = changetype<Dot>(0).whole(sums);
    if (isDefined(behind.zero)) whole = lessZero(whole, changetype<usize>(this) + behind.zero(), x);
    const all = scaled(v128.load(y), whole, w, x);
    v128.store(y, isDefined(behind.add) ? behind.add(all, w, x) : all);
  }

  /** y += sums, scaled. */
  @inline
  leave(y: usize, half: usize, low: v128, high: v128, x: usize): void {
    const w = changetype<usize>(this);
    const at = x + changetype<Behind>(0).left();
    this.one(y, low, w, at);
    this.one(y + half, high, w + 16, at);
  }
}

/** The same of halves that count by whole numbers; `this` is the panel's block. */
@unmanaged
class Weighed<Behind, Dot> {

  @inline
  load(p: usize): v128 {
    return v128.load(p);
  }


  @inline
  size(): usize {
    return 16;
  }


  @inline
  add(sum: v128, x: v128, w: v128): v128 {
    return changetype<Dot>(0).add(sum, x, w);
  }


  @inline
  second(): bool {
    return changetype<Behind>(0).left() == 0;
  }


  @inline
  one(to: usize, sums: v128, at: usize, x: usize): void {
    const panel = changetype<usize>(this);
    const zero = panel + NARROW_ZERO + (this.second() ? 32 : 0);
    const whole = lessZero(changetype<Dot>(0).whole(sums), zero, x);
    const by = v128.load(panel + NARROW_WEIGHTS + (this.second() ? 32 : 0) + at);
    const product = i32x4.mul(whole, by);
    v128.store(to, this.second() ? i32x4.add(v128.load(to), product) : product);
  }

  /** Sums as i32 [8]: the first half's, then both's. */
  @inline
  leave(to: usize, half: usize, low: v128, high: v128, x: usize): void {
    const end = x + changetype<Behind>(0).left();
    this.one(to, low, 0, end);
    this.one(to + half, high, 16, end);
  }
}

/** y[t, 0..8] += of a run of codes at x, as far as `end`, and p. */
@inline
function addRun<Step>(
  w: usize,
  y: usize,
  x: usize,
  p: usize,
  end: usize,
  rows: i32,
  ldy: usize,
  ldx: usize,
): void {
  sumTile(changetype<Step>(w), y, x, p, end, rows, false, ldy, 16, ldx, false, 4, 32);
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
  addRun<Weighed<FirstHalf, Dot>>(panel, sums, x, p, middle, rows, 32, ldx);
  addRun<Weighed<SecondHalf, Dot>>(panel, sums, middle, p + 128, end, rows, 32, ldx);
  for (let t = 0; t < rows; t++, y += ldy, x += ldx, sums += 32) {
    for (let half: usize = 0; half < 32; half += 16) {
      const w = panel + half;
      const at = x + NARROW_CODES;
      let all = scaled(v128.load(y + half), v128.load(sums + half), w, at);
      if (kind == (OFFSET_HALVES | WEIGHED)) {
        all = madd(all, v128.load(w, PANEL_SECOND), v128.load32_splat(at, SUM));
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
