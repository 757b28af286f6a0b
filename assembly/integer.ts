// Matrix products of quantised weights in integers: activations as i16 in blocks of 32 with a scale
// each (pack.ts), codes of 8 rows of W as i16 in a panel that stays in L1, 4 x 8 tiles. A block's
// sum is exact; blocks are scaled and added in f32 in order, so a token's result is the same bits
// whatever the number of tokens.
//
//   panel, a block of 32 elements:
//     [scale f32 [8] | offset f32 [8] | 16 pairs of k: i16 [8 rows][2]]
import { dotAdd, madd } from './simd';

/** Elements of k unpacked at a time: 16 blocks of 576 B; a multiple of every block length. */
const PANEL_K: i32 = 512;
export const PANEL_BLOCK: usize = 64 + 512;
const EDGE_BYTES: usize = 8 * 4;

/**
 * Writes blocks of a packed group of 4 rows as half of a panel; src is the group's first byte, k0
 * and count multiples of its block length.
 */
export type UnpackCodes = (dst: usize, src: usize, k0: i32, count: i32) => void;

/** Bytes of scratch. */
export function gemm_integer_scratch(): i32 {
  return (PANEL_K / 32) * <i32>PANEL_BLOCK + <i32>EDGE_BYTES;
}

/** y += f32 sums of a block: (sums * w) * x, and offset * sum of x where `offsets`. */
@inline
function addBlock(
  y: usize,
  first: bool,
  low: v128,
  high: v128,
  panel: usize,
  scale: usize,
  sum: usize,
  offsets: bool,
): void {
  const by = v128.load32_splat(scale);
  let y0 = first ? f32x4.splat(0) : v128.load(y);
  let y1 = first ? f32x4.splat(0) : v128.load(y, 16);
  y0 = madd(y0, f32x4.convert_i32x4_s(low), f32x4.mul(v128.load(panel), by));
  y1 = madd(y1, f32x4.convert_i32x4_s(high), f32x4.mul(v128.load(panel, 16), by));
  if (offsets) {
    const total = v128.load32_splat(sum);
    y0 = madd(y0, v128.load(panel, 32), total);
    y1 = madd(y1, v128.load(panel, 48), total);
  }
  v128.store(y, y0);
  v128.store(y, y1, 16);
}

/** y[t, 0..8] (+)= of `blocks` blocks, t < 4. q i16 ldq bytes | scales and sums f32 lds bytes */
function tile4(
  y: usize,
  q: usize,
  scales: usize,
  sums: usize,
  panel: usize,
  blocks: i32,
  ldy: usize,
  ldq: usize,
  lds: usize,
  add: bool,
  offsets: bool,
): void {
  let q0 = q;
  let q1 = q0 + ldq;
  let q2 = q1 + ldq;
  let q3 = q2 + ldq;
  for (let b = 0; b < blocks; b++) {
    let a0 = i32x4.splat(0);
    let a1 = a0;
    let b0 = a0;
    let b1 = a0;
    let c0 = a0;
    let c1 = a0;
    let d0 = a0;
    let d1 = a0;
    for (let p = panel + 64, end = panel + PANEL_BLOCK; p < end; p += 64) {
      let w0 = v128.load(p);
      let w1 = v128.load(p, 16);
      let x = v128.load32_splat(q0);
      a0 = dotAdd(a0, x, w0);
      a1 = dotAdd(a1, x, w1);
      x = v128.load32_splat(q1);
      b0 = dotAdd(b0, x, w0);
      b1 = dotAdd(b1, x, w1);
      x = v128.load32_splat(q2);
      c0 = dotAdd(c0, x, w0);
      c1 = dotAdd(c1, x, w1);
      x = v128.load32_splat(q3);
      d0 = dotAdd(d0, x, w0);
      d1 = dotAdd(d1, x, w1);
      w0 = v128.load(p, 32);
      w1 = v128.load(p, 48);
      x = v128.load32_splat(q0, 4);
      a0 = dotAdd(a0, x, w0);
      a1 = dotAdd(a1, x, w1);
      x = v128.load32_splat(q1, 4);
      b0 = dotAdd(b0, x, w0);
      b1 = dotAdd(b1, x, w1);
      x = v128.load32_splat(q2, 4);
      c0 = dotAdd(c0, x, w0);
      c1 = dotAdd(c1, x, w1);
      x = v128.load32_splat(q3, 4);
      d0 = dotAdd(d0, x, w0);
      d1 = dotAdd(d1, x, w1);
      q0 += 8;
      q1 += 8;
      q2 += 8;
      q3 += 8;
    }
    const first = !add && b == 0;
    addBlock(y, first, a0, a1, panel, scales, sums, offsets);
    addBlock(y + ldy, first, b0, b1, panel, scales + lds, sums + lds, offsets);
    addBlock(y + 2 * ldy, first, c0, c1, panel, scales + 2 * lds, sums + 2 * lds, offsets);
    addBlock(y + 3 * ldy, first, d0, d1, panel, scales + 3 * lds, sums + 3 * lds, offsets);
    panel += PANEL_BLOCK;
    scales += 4;
    sums += 4;
  }
}

/** The same for one token. */
function tile1(
  y: usize,
  q: usize,
  scales: usize,
  sums: usize,
  panel: usize,
  blocks: i32,
  add: bool,
  offsets: bool,
): void {
  for (let b = 0; b < blocks; b++) {
    let a0 = i32x4.splat(0);
    let a1 = a0;
    for (let p = panel + 64, end = panel + PANEL_BLOCK; p < end; p += 32, q += 4) {
      const x = v128.load32_splat(q);
      a0 = dotAdd(a0, x, v128.load(p));
      a1 = dotAdd(a1, x, v128.load(p, 16));
    }
    addBlock(y, !add && b == 0, a0, a1, panel, scales, sums, offsets);
    panel += PANEL_BLOCK;
    scales += 4;
    sums += 4;
  }
}

/**
 * y[n, m] = sum_k x[n, k] W[m, k]; W packed in groups of 4 rows of 4 * row_bytes, rows padded to a
 * multiple of 8 (pack.ts). y f32 [n, m] ldy | q i16 [n, k], scales and sums f32 [n, k / 32] of
 * quantize_i16 | scratch gemm_integer_scratch(); k % 32 == 0
 */
export function gemmInteger(
  y: usize,
  q: usize,
  scales: usize,
  sums: usize,
  w: usize,
  scratch: usize,
  n: i32,
  m: i32,
  k: i32,
  ldy: i32,
  row_bytes: usize,
  unpack: UnpackCodes,
  offsets: bool,
): void {
  const edge = scratch + <usize>(PANEL_K / 32) * PANEL_BLOCK;
  const stepY = (<usize>ldy) << 2;
  const stepQ = (<usize>k) << 1;
  const stepS = (<usize>k) >> 3;
  for (let row = 0; row < m; row += 8) {
    const group = w + <usize>row * row_bytes;
    const columns = min(8, m - row);
    for (let k0 = 0; k0 < k; k0 += PANEL_K) {
      const count = min(PANEL_K, k - k0);
      const blocks = count / 32;
      unpack(scratch, group, k0, count);
      unpack(scratch + 16, group + 4 * row_bytes, k0, count);
      const add = k0 > 0;
      let to = y + ((<usize>row) << 2);
      let from = q + ((<usize>k0) << 1);
      let scale = scales + ((<usize>k0) >> 3);
      let sum = sums + ((<usize>k0) >> 3);
      let t = 0;
      if (columns == 8) {
        for (; t + 4 <= n; t += 4) {
          tile4(to, from, scale, sum, scratch, blocks, stepY, stepQ, stepS, add, offsets);
          to += 4 * stepY;
          from += 4 * stepQ;
          scale += 4 * stepS;
          sum += 4 * stepS;
        }
      }
      for (; t < n; t++) {
        if (add) memory.copy(edge, to, (<usize>columns) << 2);
        tile1(edge, from, scale, sum, scratch, blocks, add, offsets);
        memory.copy(to, edge, (<usize>columns) << 2);
        to += stepY;
        from += stepQ;
        scale += stepS;
        sum += stepS;
      }
    }
  }
}
