// Q5_K weights, 5.5 bits each. Block of 256: f16 d, dmin; 12 bytes of 8 6-bit scales and mins (k-scales.ts); 32 bytes of fifth bits; 128 bytes, 64 elements each 32: low nibbles, then high; value = d * scale * q - dmin * min.
// Group: per block 4 d | 4 dmin | 3 x [4 rows][4 bytes] scales | 8 x [4 rows][4 bytes] fifth bits | 32 x [4 rows][4 bytes]
import { absSums, gatherRows, storeGroup } from '../dense';
import { gemmInteger, PANEL_BLOCK } from '../integer';
import { foldPairs, loadHalves, madd } from '../simd';
import { byteOfWords, dotHigh, dotLow, highNibbles, lowNibbles, storePairs, storeQuad } from './unpack';
import { minsHigh, minsLow, scalesHigh, scalesLow, storeScales } from './k-scales';

const BLOCK_BYTES: usize = 176; // of one row; a group's block is four times that

function unpack_q5_k(dst: usize, src: usize, k0: i32, count: i32): void {
  let p = src + <usize>(k0 / 256) * (4 * BLOCK_BYTES);
  for (let i = 0; i < count; i += 256, p += 4 * BLOCK_BYTES, dst += 256 * 32) {
    const d = loadHalves(p);
    const dmin = f32x4.neg(loadHalves(p + 8));
    for (let c = 0; c < 4; c++) {
      const s0 = f32x4.mul(d, byteOfWords(c < 2 ? scalesLow(p + 16) : scalesHigh(p + 16), (2 * c) & 3));
      const s1 = f32x4.mul(d, byteOfWords(c < 2 ? scalesLow(p + 16) : scalesHigh(p + 16), (2 * c + 1) & 3));
      const m0 = f32x4.mul(dmin, byteOfWords(c < 2 ? minsLow(p + 16) : minsHigh(p + 16), (2 * c) & 3));
      const m1 = f32x4.mul(dmin, byteOfWords(c < 2 ? minsLow(p + 16) : minsHigh(p + 16), (2 * c + 1) & 3));
      const to = dst + ((<usize>c) << 11);
      for (let j: usize = 0; j < 8; j++) {
        const v = v128.load(p + ((<usize>c) << 7) + (j << 4), 192);
        const fifth = v128.load(p + (j << 4), 64);
        storeQuad(
          to + (j << 7),
          v128.or(lowNibbles(v), i32x4.shl(v128.and(i32x4.shr_u(fifth, 2 * c), i32x4.splat(0x01010101)), 4)),
          s0,
          m0,
        );
        storeQuad(
          to + 1024 + (j << 7),
          v128.or(highNibbles(v), i32x4.shl(v128.and(i32x4.shr_u(fifth, 2 * c + 1), i32x4.splat(0x01010101)), 4)),
          s1,
          m1,
        );
      }
    }
  }
}

function codes_q5_k(dst: usize, src: usize, k0: i32, count: i32): void {
  let p = src + <usize>(k0 / 256) * (4 * BLOCK_BYTES);
  for (let i = 0; i < count; i += 256, p += 4 * BLOCK_BYTES) {
    const d = loadHalves(p);
    const dmin = f32x4.neg(loadHalves(p + 8));
    for (let c = 0; c < 4; c++, dst += 2 * PANEL_BLOCK) {
      storeScales(dst, p + 16, d, dmin, c);
      for (let j: usize = 0; j < 8; j++) {
        const v = v128.load(p + ((<usize>c) << 7) + (j << 4), 192);
        const fifth = v128.load(p + (j << 4), 64);
        storePairs(dst + 64 + (j << 6), v128.or(lowNibbles(v), i32x4.shl(v128.and(i32x4.shr_u(fifth, 2 * c), i32x4.splat(0x01010101)), 4)));
        storePairs(
          dst + PANEL_BLOCK + 64 + (j << 6),
          v128.or(highNibbles(v), i32x4.shl(v128.and(i32x4.shr_u(fifth, 2 * c + 1), i32x4.splat(0x01010101)), 4)),
        );
      }
    }
  }
}

/** y[n, m] = sum_k x[n, k] W[m, k]. y f32 [n, m] ldy | q, scales, sums of quantize_i16, [n, k] | w packed q5_k [m, k], k % 256 == 0 | scratch gemm_integer_scratch() */
export function gemm_q5_k(
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
): void {
  gemmInteger(y, q, scales, sums, w, scratch, n, m, k, ldy, <usize>(k / 256) * BLOCK_BYTES, codes_q5_k, true);
}

/** y[i] = W[ids[i]]. y f32 [n, k] | w packed q5_k | ids i32 [n] | scratch gemm_scratch() */
export function gather_q5_k(y: usize, w: usize, ids: usize, scratch: usize, n: i32, k: i32): void {
  gatherRows(y, w, ids, scratch, n, k, <usize>(k / 256) * BLOCK_BYTES, unpack_q5_k);
}

/** y[m] = sum_k x[k] W[m, k]. y f32 [m] | q i16 [k], scales and sums f32 [k / 32] of quantize_i16 | w packed q5_k [m, k], k % 256 == 0 */
export function gemv_q5_k(y: usize, q: usize, scales: usize, sums: usize, w: usize, m: i32, k: i32): void {
  const blocks = k / 256;
  for (let row = 0; row < m; row += 4) {
    let total = f32x4.splat(0);
    for (let b = 0; b < blocks; b++, w += 4 * BLOCK_BYTES) {
      const d = loadHalves(w);
      const dmin = f32x4.neg(loadHalves(w + 8));
      for (let c = 0; c < 4; c++) {
        const scaleBytes = c < 2 ? scalesLow(w + 16) : scalesHigh(w + 16);
        const minBytes = c < 2 ? minsLow(w + 16) : minsHigh(w + 16);
        const block = <usize>(8 * b + 2 * c);
        const x = q + (block << 6);
        let low0 = i32x4.splat(0);
        let high0 = low0;
        let low1 = low0;
        let high1 = low0;
        for (let j: usize = 0; j < 8; j++) {
          const v = v128.load(w + ((<usize>c) << 7) + (j << 4), 192);
          const fifth = v128.load(w + (j << 4), 64);
          const v0 = v128.or(lowNibbles(v), i32x4.shl(v128.and(i32x4.shr_u(fifth, 2 * c), i32x4.splat(0x01010101)), 4));
          const v1 = v128.or(highNibbles(v), i32x4.shl(v128.and(i32x4.shr_u(fifth, 2 * c + 1), i32x4.splat(0x01010101)), 4));
          const x0 = v128.load64_splat(x + (j << 3));
          const x1 = v128.load64_splat(x + (j << 3), 64);
          low0 = dotLow(low0, v0, x0);
          high0 = dotHigh(high0, v0, x0);
          low1 = dotLow(low1, v1, x1);
          high1 = dotHigh(high1, v1, x1);
        }
        const s0 = f32x4.mul(f32x4.mul(d, byteOfWords(scaleBytes, (2 * c) & 3)), v128.load32_splat(scales + (block << 2)));
        const s1 = f32x4.mul(f32x4.mul(d, byteOfWords(scaleBytes, (2 * c + 1) & 3)), v128.load32_splat(scales + (block << 2), 4));
        total = madd(total, f32x4.convert_i32x4_s(foldPairs(low0, high0)), s0);
        total = madd(total, f32x4.convert_i32x4_s(foldPairs(low1, high1)), s1);
        const m0 = f32x4.mul(dmin, byteOfWords(minBytes, (2 * c) & 3));
        const m1 = f32x4.mul(dmin, byteOfWords(minBytes, (2 * c + 1) & 3));
        total = madd(total, m0, v128.load32_splat(sums + (block << 2)));
        total = madd(total, m1, v128.load32_splat(sums + (block << 2), 4));
      }
    }
    storeGroup(y + ((<usize>row) << 2), total, m - row);
  }
}

/** out[t] += sum_m |sum_j x[t, j] W[m, k0 + j]|, j < d. out f32 [n] | x f32 [n, d] | w packed q5_k [m, k] | scratch abs_sums_scratch(); n <= 64 */
export function abs_sums_q5_k(out: usize, x: usize, w: usize, scratch: usize, n: i32, m: i32, k: i32, k0: i32, d: i32): void {
  absSums(out, x, w, scratch, n, m, k0, d, <usize>(k / 256) * BLOCK_BYTES, 256, unpack_q5_k);
}
