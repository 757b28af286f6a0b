// Q4_K weights, 4.5 bits each. Block of 256: f16 d, dmin; 12 bytes of 8 6-bit scales and mins
// (k-scales.ts); 128 bytes, 64 elements each 32: low nibbles, then high; value = d * scale * q -
// dmin * min. Group: per block 4 d | 4 dmin | 3 x [4 rows][4 bytes] scales | 32 x [4 rows][4 bytes]
import { absSums, gatherRows, storeGroup } from '../dense';
import { gemmInteger, PANEL_BLOCK } from '../integer';
import { loadHalves } from '../simd';
import {
  byteOfWords,
  dotHighNibbles,
  dotLowNibbles,
  highNibbles,
  lowNibbles,
  storePairs,
  storeQuad,
} from './unpack';
import { addScaled, minsHigh, minsLow, scalesHigh, scalesLow, storeScales } from './k-scales';

const BLOCK_BYTES: usize = 144; // of one row; a group's block is four times that

function unpack_q4_k(dst: usize, src: usize, k0: i32, count: i32): void {
  let p = src + <usize>(k0 / 256) * (4 * BLOCK_BYTES);
  for (let i = 0; i < count; i += 256, p += 4 * BLOCK_BYTES, dst += 256 * 32) {
    const d = loadHalves(p);
    const dmin = f32x4.neg(loadHalves(p + 8));
    for (let c = 0; c < 4; c++) {
      const s0 = f32x4.mul(
        d,
        byteOfWords(c < 2 ? scalesLow(p + 16) : scalesHigh(p + 16), (2 * c) & 3),
      );
      const s1 = f32x4.mul(
        d,
        byteOfWords(c < 2 ? scalesLow(p + 16) : scalesHigh(p + 16), (2 * c + 1) & 3),
      );
      const m0 = f32x4.mul(
        dmin,
        byteOfWords(c < 2 ? minsLow(p + 16) : minsHigh(p + 16), (2 * c) & 3),
      );
      const m1 = f32x4.mul(
        dmin,
        byteOfWords(c < 2 ? minsLow(p + 16) : minsHigh(p + 16), (2 * c + 1) & 3),
      );
      const to = dst + ((<usize>c) << 11);
      for (let j: usize = 0; j < 8; j++) {
        const v = v128.load(p + ((<usize>c) << 7) + (j << 4), 64);
        storeQuad(to + (j << 7), lowNibbles(v), s0, m0);
        storeQuad(to + 1024 + (j << 7), highNibbles(v), s1, m1);
      }
    }
  }
}

function codes_q4_k(dst: usize, src: usize, k0: i32, count: i32): void {
  let p = src + <usize>(k0 / 256) * (4 * BLOCK_BYTES);
  for (let i = 0; i < count; i += 256, p += 4 * BLOCK_BYTES) {
    const d = loadHalves(p);
    const dmin = f32x4.neg(loadHalves(p + 8));
    for (let c = 0; c < 4; c++, dst += 2 * PANEL_BLOCK) {
      storeScales(dst, p + 16, d, dmin, c);
      for (let j: usize = 0; j < 8; j++) {
        const v = v128.load(p + ((<usize>c) << 7) + (j << 4), 64);
        storePairs(dst + 64 + (j << 6), lowNibbles(v));
        storePairs(dst + PANEL_BLOCK + 64 + (j << 6), highNibbles(v));
      }
    }
  }
}

/**
 * y[n, m] = sum_k x[n, k] W[m, k]. y f32 [n, m] ldy | q, scales, sums of quantize_i16, [n, k] | w
 * packed q4_k [m, k], k % 256 == 0 | scratch gemm_integer_scratch()
 */
export function gemm_q4_k(
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
  gemmInteger(
    y,
    q,
    scales,
    sums,
    w,
    scratch,
    n,
    m,
    k,
    ldy,
    <usize>(k / 256) * BLOCK_BYTES,
    codes_q4_k,
    true,
  );
}

/** y[i] = W[ids[i]]. y f32 [n, k] | w packed q4_k | ids i32 [n] | scratch gemm_scratch() */
export function gather_q4_k(y: usize, w: usize, ids: usize, scratch: usize, n: i32, k: i32): void {
  gatherRows(y, w, ids, scratch, n, k, <usize>(k / 256) * BLOCK_BYTES, unpack_q4_k);
}

/** total + the products of pair c (0..3, a constant) of 32 elements of a block with x, scaled. */
@inline
function addPair(
  total: v128,
  w: usize,
  x: usize,
  scales: usize,
  sums: usize,
  d: v128,
  dmin: v128,
  scaleBytes: v128,
  minBytes: v128,
  c: usize,
): v128 {
  let low = i32x4.splat(0);
  let high = low;
  for (let j: usize = 0; j < 8; j++) {
    const v = v128.load(w + (c << 7) + (j << 4), 64);
    low = dotLowNibbles(low, v, x + (c << 7) + (j << 3));
    high = dotHighNibbles(high, v, x + (c << 7) + (j << 3) + 64);
  }
  return addScaled(
    total,
    low,
    high,
    scales + (c << 3),
    sums + (c << 3),
    d,
    dmin,
    scaleBytes,
    minBytes,
    <i32>c,
  );
}

/**
 * y[m] = sum_k x[k] W[m, k]. y f32 [m] | q i16 [k], scales and sums f32 [k / 32] of quantize_i16 |
 * w packed q4_k [m, k], k % 256 == 0
 */
export function gemv_q4_k(
  y: usize,
  q: usize,
  scales: usize,
  sums: usize,
  w: usize,
  m: i32,
  k: i32,
): void {
  const blocks = k / 256;
  for (let row = 0; row < m; row += 4) {
    let total = f32x4.splat(0);
    let x = q;
    let by = scales;
    let sum = sums;
    for (let b = 0; b < blocks; b++, w += 4 * BLOCK_BYTES, x += 512, by += 32, sum += 32) {
      const d = loadHalves(w);
      const dmin = f32x4.neg(loadHalves(w + 8));
      let scaleBytes = scalesLow(w + 16);
      let minBytes = minsLow(w + 16);
      total = addPair(total, w, x, by, sum, d, dmin, scaleBytes, minBytes, 0);
      total = addPair(total, w, x, by, sum, d, dmin, scaleBytes, minBytes, 1);
      scaleBytes = scalesHigh(w + 16);
      minBytes = minsHigh(w + 16);
      total = addPair(total, w, x, by, sum, d, dmin, scaleBytes, minBytes, 2);
      total = addPair(total, w, x, by, sum, d, dmin, scaleBytes, minBytes, 3);
    }
    storeGroup(y + ((<usize>row) << 2), total, m - row);
  }
}

/**
 * out[t] += sum_m |sum_j x[t, j] W[m, k0 + j]|, j < d. out f32 [n] | x f32 [n, d] | w packed q4_k
 * [m, k] | scratch abs_sums_scratch(); n <= 64
 */
export function abs_sums_q4_k(
  out: usize,
  x: usize,
  w: usize,
  scratch: usize,
  n: i32,
  m: i32,
  k: i32,
  k0: i32,
  d: i32,
): void {
  absSums(out, x, w, scratch, n, m, k0, d, <usize>(k / 256) * BLOCK_BYTES, 256, unpack_q4_k);
}
