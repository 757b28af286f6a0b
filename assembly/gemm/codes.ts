// Steps of the register tile (tile.ts) over codes and rounded activations, and what becomes of their
// sums: whole numbers until a run ends, which are then scaled and added to y in f32.
import { madd } from '../simd';
import { SCALE, SUM } from './rounded';
import { sumTile } from './tile';

/** Where the second of a part lies behind its scale: those of 8 rows. */
export const PANEL_SECOND: usize = 32;

/** y + sums, scaled by what lies at w and by x. */
@inline
export function scaled(y: v128, sums: v128, w: usize, x: v128): v128 {
  return madd(y, f32x4.convert_i32x4_s(sums), f32x4.mul(v128.load(w), x));
}

/** y + offsets, which lie behind their scales at w, times the sum of the block of x. */
@inline
export function shifted(y: v128, w: usize, sum: v128): v128 {
  return madd(y, v128.load(w, PANEL_SECOND), sum);
}

/**
 * Steps whose panel holds what Dot multiplies. `this` is where a block's scales lie. What is behind it:
 *
 *   codes()           bytes of the codes of x
 *   start(w, x)       what whole sums begin with, if anything; x behind the codes
 *   add(y, w, sum, x)   what is added to scaled sums besides, if anything; sum: of the block of x, scaled
 *
 * Dot is add(), and whole(), the sums that are left then; where it has late(), sums become whole
 * only then, and what they begin with is added last.
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
  begin(x: usize): v128 {
    const behind = changetype<Behind>(0);
    if (!isDefined(behind.start) || isDefined(changetype<Dot>(0).late)) return i32x4.splat(0);
    return behind.start(changetype<usize>(this), x + behind.codes());
  }


  @inline
  add(sum: v128, x: v128, w: v128): v128 {
    return changetype<Dot>(0).add(sum, x, w);
  }

  /** y += four sums, scaled by what lies at w. */
  @inline
  leaveFour(y: usize, sums: v128, w: usize, by: v128, sum: v128, x: usize): void {
    const behind = changetype<Behind>(0);
    let whole = changetype<Dot>(0).whole(sums);
    if (isDefined(behind.start) && isDefined(changetype<Dot>(0).late))
      whole = i32x4.add(whole, behind.start(changetype<usize>(this), x));
    const all = scaled(v128.load(y), whole, w, by);
    v128.store(y, isDefined(behind.add) ? behind.add(all, w, sum, x) : all);
  }


  @inline
  leave(y: usize, half: usize, low: v128, high: v128, x: usize): void {
    const w = changetype<usize>(this);
    const by = v128.load32_splat(x, SCALE);
    const sum = isDefined(changetype<Behind>(0).add) ? v128.load32_splat(x, SUM) : by;
    this.leaveFour(y, low, w, by, sum, x);
    this.leaveFour(y + half, high, w + 16, by, sum, x);
  }
}

/** y[t, 0..8] += of a block of codes at x, as far as `end`, and p; w: where its scales lie. */
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
