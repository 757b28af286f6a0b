// Matrix products of quantised weights in integers: activations as i16 in blocks of 32 with a scale
// each (rounded.ts), codes of 8 rows of W as i16 in a panel that stays in L1, 4 x 8 tiles. A block's
// sums are exact; blocks are scaled and added in f32 in order, and the one-token kernels of
// weights/ do the same, so a token's result is the same bits whatever the number of tokens.
//
//   panel, a block of 32 elements:
//     [scale f32 [8] | what the type has besides f32 [8] | 16 pairs of k: i16 [8 rows][2]]
import { dotAdd, madd } from '../simd';
import { ROUNDED_BLOCK, ROUNDED_CODES, SCALE, SUM } from './rounded';

/** What stands behind the scale: nothing; an offset; the scale of the second 16 elements. */
export const SCALES: i32 = 1;
export const OFFSETS: i32 = 2;
export const HALVES: i32 = 3;

/** Bytes of a panel's block, and where its parts lie. */
export const PANEL_BLOCK: usize = 64 + 512;
export const PANEL_SECOND: usize = 32;
export const PANEL_CODES: usize = 64;

/**
 * Writes blocks of a packed group of 4 rows as half of a panel; src is the group's first byte, k0
 * and count multiples of its block length.
 */
export type UnpackCodes = (dst: usize, src: usize, k0: i32, count: i32) => void;

/**
 * y[0..8] (+)= sums of products, scaled by w f32 [8] and by x, which points behind its block's codes; and
 * offsets times the sum of x.
 */
@inline
function addBlock(
  y: usize,
  first: bool,
  low: v128,
  high: v128,
  w: usize,
  x: usize,
  kind: i32,
): void {
  const by = v128.load32_splat(x, SCALE);
  let y0 = first ? f32x4.splat(0) : v128.load(y);
  let y1 = first ? f32x4.splat(0) : v128.load(y, 16);
  y0 = madd(y0, f32x4.convert_i32x4_s(low), f32x4.mul(v128.load(w), by));
  y1 = madd(y1, f32x4.convert_i32x4_s(high), f32x4.mul(v128.load(w, 16), by));
  if (kind == OFFSETS) {
    const sum = v128.load32_splat(x, SUM);
    y0 = madd(y0, v128.load(w, PANEL_SECOND), sum);
    y1 = madd(y1, v128.load(w, PANEL_SECOND + 16), sum);
  }
  v128.store(y, y0);
  v128.store(y, y1, 16);
}

/** y[t, 0..8] (+)= of `blocks` blocks, t < 4. y f32 ldy bytes | x rounded, ldx bytes */
@inline
function blocks4(
  y: usize,
  x: usize,
  panel: usize,
  blocks: i32,
  ldy: usize,
  ldx: usize,
  add: bool,
  kind: i32,
): void {
  let q0 = x;
  let q1 = q0 + ldx;
  let q2 = q1 + ldx;
  let q3 = q2 + ldx;
  // codes that have a scale in common are one run
  const runs: usize = kind == HALVES ? 2 : 1;
  for (let b = 0; b < blocks; b++, panel += PANEL_BLOCK) {
    let p = panel + PANEL_CODES;
    for (let run: usize = 1; run <= runs; run++) {
      let a0 = i32x4.splat(0);
      let a1 = a0;
      let b0 = a0;
      let b1 = a0;
      let c0 = a0;
      let c1 = a0;
      let d0 = a0;
      let d1 = a0;
      for (const end = p + 512 / runs; p < end; p += 32) {
        const w0 = v128.load(p);
        const w1 = v128.load(p, 16);
        let s = v128.load32_splat(q0);
        a0 = dotAdd(a0, s, w0);
        a1 = dotAdd(a1, s, w1);
        s = v128.load32_splat(q1);
        b0 = dotAdd(b0, s, w0);
        b1 = dotAdd(b1, s, w1);
        s = v128.load32_splat(q2);
        c0 = dotAdd(c0, s, w0);
        c1 = dotAdd(c1, s, w1);
        s = v128.load32_splat(q3);
        d0 = dotAdd(d0, s, w0);
        d1 = dotAdd(d1, s, w1);
        q0 += 4;
        q1 += 4;
        q2 += 4;
        q3 += 4;
      }
      // what is behind the codes of x
      const behind = (runs - run) * (ROUNDED_CODES / 2);
      const w = panel + (run - 1) * PANEL_SECOND;
      const first = !add && b == 0 && run == 1;
      addBlock(y, first, a0, a1, w, q0 + behind, kind);
      addBlock(y + ldy, first, b0, b1, w, q1 + behind, kind);
      addBlock(y + 2 * ldy, first, c0, c1, w, q2 + behind, kind);
      addBlock(y + 3 * ldy, first, d0, d1, w, q3 + behind, kind);
    }
    q0 += ROUNDED_BLOCK - ROUNDED_CODES;
    q1 += ROUNDED_BLOCK - ROUNDED_CODES;
    q2 += ROUNDED_BLOCK - ROUNDED_CODES;
    q3 += ROUNDED_BLOCK - ROUNDED_CODES;
  }
}

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
  if (kind == HALVES) blocks4(y, x, panel, blocks, ldy, ldx, add, HALVES);
  else if (kind == OFFSETS) blocks4(y, x, panel, blocks, ldy, ldx, add, OFFSETS);
  else blocks4(y, x, panel, blocks, ldy, ldx, add, SCALES);
}

/** The same for one token. */
export function tile1(y: usize, x: usize, panel: usize, blocks: i32, add: bool, kind: i32): void {
  const runs: usize = kind == HALVES ? 2 : 1;
  for (let b = 0; b < blocks; b++, x += ROUNDED_BLOCK, panel += PANEL_BLOCK) {
    let p = panel + PANEL_CODES;
    let q = x;
    for (let run: usize = 1; run <= runs; run++) {
      let a0 = i32x4.splat(0);
      let a1 = a0;
      for (const end = p + 512 / runs; p < end; p += 32, q += 4) {
        const s = v128.load32_splat(q);
        a0 = dotAdd(a0, s, v128.load(p));
        a1 = dotAdd(a1, s, v128.load(p, 16));
      }
      const first = !add && b == 0 && run == 1;
      addBlock(y, first, a0, a1, panel + (run - 1) * PANEL_SECOND, x + ROUNDED_CODES, kind);
    }
  }
}
