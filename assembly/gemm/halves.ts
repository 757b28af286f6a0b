// The register tile of blocks whose halves count apart: as many sums as in tile.ts, of both halves of
// two tokens, so that what is behind the sums is done once for both.
import { madd } from '../simd';
import { SCALE } from './rounded';

/** y + sums of the halves, each times its scales, w0 and w1, times that of the block of x. */
@inline
export function scaledHalves(y: v128, s0: v128, s1: v128, w0: v128, w1: v128, x: v128): v128 {
  const first = f32x4.mul(f32x4.convert_i32x4_s(s0), w0);
  return madd(y, madd(first, f32x4.convert_i32x4_s(s1), w1), x);
}

/** The tile, of `rows` tokens, 1 or 2. */
@inline
function tileOfHalves<Step>(y: usize, x: usize, w: usize, rows: i32, ldy: usize, ldx: usize): void {
  const step = changetype<Step>(0);
  const half = step.codes() / 2;
  const behind = x + step.codes();
  const next = half << 3;
  let a0 = i32x4.splat(0);
  let b0 = a0;
  let c0 = a0;
  let d0 = a0;
  if (isDefined(step.begins)) {
    if (step.begins()) {
      const z0 = step.zeros(w, 0);
      const z1 = step.zeros(w, 1);
      const x0 = step.totals(behind);
      const x1 = step.totals(behind + ldx);
      a0 = i32x4.dot_i16x8_s(x0, z0);
      b0 = i32x4.dot_i16x8_s(x0, z1);
      c0 = i32x4.dot_i16x8_s(x1, z0);
      d0 = i32x4.dot_i16x8_s(x1, z1);
    }
  }
  let a1 = a0;
  let b1 = b0;
  let c1 = c0;
  let d1 = d0;
  let p = w + step.front();
  for (let q = x, other = x + ldx, end = x + half; q < end; q += 4, other += 4, p += 32) {
    const w0 = v128.load(p);
    const w1 = v128.load(p, 16);
    let s = v128.load32_splat(q);
    a0 = step.add(a0, s, w0);
    a1 = step.add(a1, s, w1);
    if (rows > 1) {
      s = v128.load32_splat(other);
      c0 = step.add(c0, s, w0);
      c1 = step.add(c1, s, w1);
    }
    const w2 = v128.load(p + next);
    const w3 = v128.load(p + next, 16);
    s = v128.load32_splat(q + half);
    b0 = step.add(b0, s, w2);
    b1 = step.add(b1, s, w3);
    if (rows > 1) {
      s = v128.load32_splat(other + half);
      d0 = step.add(d0, s, w2);
      d1 = step.add(d1, s, w3);
    }
  }
  let by = v128.load32_splat(behind, SCALE);
  step.leave(y, a0, b0, w, by, behind);
  step.leave(y + 16, a1, b1, w + 16, by, behind);
  if (rows > 1) {
    by = v128.load32_splat(behind + ldx, SCALE);
    step.leave(y + ldy, c0, d0, w, by, behind + ldx);
    step.leave(y + ldy + 16, c1, d1, w + 16, by, behind + ldx);
  }
}

/**
 * y[t, 0..8] += of a block, of `rows` tokens, 1 to 4, a constant. y f32 ldy bytes | x rounded, ldx
 * bytes | w: the panel's block. What Step says:
 *
 *   codes(), front()     bytes of the codes of x, and in front of those of the panel
 *   begins()             whether sums begin, where that is said, with products of
 *   zeros(w, half)       less what codes of a half are too large by, and
 *   totals(x)            sums of the halves of x, which lie behind its codes
 *   add(sum, x, w)       + products
 *   leave(y, s0, s1, w, by, x)   what becomes of four sums of each half; w: where their scales
 *                        lie, by: the scale of x
 */
@inline
export function addHalves<Step>(
  y: usize,
  x: usize,
  w: usize,
  rows: i32,
  ldy: usize,
  ldx: usize,
): void {
  tileOfHalves<Step>(y, x, w, min(rows, 2), ldy, ldx);
  if (rows > 2) tileOfHalves<Step>(y + 2 * ldy, x + 2 * ldx, w, rows - 2, ldy, ldx);
}
