// Steps of the register tile (tile.ts) over codes and rounded activations, and what becomes of their
// sums: whole numbers until a run ends, which are then scaled and added to y in f32.
import { madd } from '../simd';
import { SCALE, SUM, TOTAL } from './rounded';
import { sumTile } from './tile';

/** Where the second of a part lies behind its scale: those of 8 rows. */
export const PANEL_SECOND: usize = 32;

/** y + sums, scaled by what lies at w and behind the codes of x. */
@inline
export function scaled(y: v128, sums: v128, w: usize, x: usize): v128 {
  const by = f32x4.mul(v128.load(w), v128.load32_splat(x, SCALE));
  return madd(y, f32x4.convert_i32x4_s(sums), by);
}

/** y + offsets, which lie behind their scales at w, times the sum of the block of x. */
@inline
export function shifted(y: v128, w: usize, x: usize): v128 {
  return madd(y, v128.load(w, PANEL_SECOND), v128.load32_splat(x, SUM));
}

/** Sums less what codes are too large by: i16 [8] at zero, times the sums of the halves of x. */
@inline
function lessZero(sums: v128, zero: usize, x: usize): v128 {
  return i32x4.sub(sums, i32x4.dot_i16x8_s(v128.load32_splat(x, TOTAL), v128.load(zero)));
}

/**
 * Steps whose panel holds what Dot multiplies (add(), and whole(), the sums that are left then).
 * `this` is where a run's scales lie. What is behind a run:
 *
 *   left()            bytes from its end to what is behind the codes of x
 *   zero()            where, from the scales, lies what codes are too large by, if they are
 *   add(y, w, x)      what is added besides, if anything
 *   put(y, sums, w)   what is done with whole sums instead of all that
 */
@unmanaged
export class Codes<Behind, Dot> {

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

  /** y += four sums, scaled by what lies at w. */
  @inline
  leaveFour(y: usize, sums: v128, w: usize, x: usize): void {
    const behind = changetype<Behind>(0);
    const scales = changetype<usize>(this);
    let whole = changetype<Dot>(0).whole(sums);
    if (isDefined(behind.zero)) whole = lessZero(whole, scales + behind.zero(), x);
    if (isDefined(behind.put)) behind.put(y, whole, w);
    else {
      const all = scaled(v128.load(y), whole, w, x);
      v128.store(y, isDefined(behind.add) ? behind.add(all, w, x) : all);
    }
  }


  @inline
  leave(y: usize, half: usize, low: v128, high: v128, x: usize): void {
    const w = changetype<usize>(this);
    const end = x + changetype<Behind>(0).left();
    this.leaveFour(y, low, w, end);
    this.leaveFour(y + half, high, w + 16, end);
  }
}

/** y[t, 0..8] += of a run of codes at x, as far as `end`, and p; w: where its scales lie. */
@inline
export function addRun<Step>(
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
