// Q6_K weights, 6.5625 bits each. Block of 256: 128 bytes of low nibbles, 64 bytes of top bit
// pairs, 16 i8 scales, f16 d; value = d * scale[k / 16] * (q - 32). Group: per block 32 x [4
// rows][4 bytes] nibbles | 16 x [4 rows][4 bytes] top bits | 4 x [4 rows][4] scales | 4 d
import { absSums, gatherRows, gemmPanels, storeGroup } from '../dense';
import { constant, loadHalves, madd } from '../simd';
import { dotQuad, highNibbles, lowNibbles, storeQuad } from './unpack';

const BLOCK_BYTES: usize = 210; // of one row; a group's block is four times that
const TOP: usize = 512; // byte offsets inside a group's block
const SCALES: usize = 768;
const D: usize = 832;
const PAIRS: usize = memory.data<u32>([0x03030303]);
const BYTES_32: usize = memory.data<u32>([0x20202020]);

/**
 * Elements 4 i .. 4 i + 3 of quarter `quarter` (32 elements) of half `half` (128 elements) of a
 * block, minus 32, as [4 rows][4 k]. Quarters 0 and 1 are the low nibbles of bytes 0..31 and 32..63
 * of the half, 2 and 3 the high ones; pair `quarter` of a top byte is theirs.
 */
@inline
function quad(p: usize, half: i32, quarter: i32, i: usize): v128 {
  const nibbles = v128.load(p + ((<usize>half) << 8) + ((<usize>(quarter & 1)) << 7) + (i << 4));
  const top = v128.load(p + ((<usize>half) << 7) + (i << 4), TOP);
  const low = quarter < 2 ? lowNibbles(nibbles) : highNibbles(nibbles);
  const pair = i32x4.shl(v128.and(i32x4.shr_u(top, quarter << 1), constant(PAIRS)), 4);
  return i8x16.sub(v128.or(low, pair), constant(BYTES_32));
}

/** Scale of 16 elements number s (0..15) times d, a lane a row. */
@inline
function scaleOf(p: usize, s: i32, d: v128): v128 {
  const words = v128.load(p + ((<usize>(s >> 2)) << 4), SCALES);
  const signed = i32x4.shr_s(i32x4.shl(words, 24 - ((s & 3) << 3)), 24);
  return f32x4.mul(d, f32x4.convert_i32x4_s(signed));
}

function unpack_q6_k(dst: usize, src: usize, k0: i32, count: i32): void {
  let p = src + <usize>(k0 / 256) * (4 * BLOCK_BYTES);
  for (let i = 0; i < count; i += 256, p += 4 * BLOCK_BYTES, dst += 256 * 32) {
    const d = loadHalves(p + D);
    const zero = f32x4.splat(0);
    for (let part = 0; part < 8; part++) {
      const to = dst + ((<usize>part) << 10);
      for (let i: usize = 0; i < 8; i++) {
        const scale = scaleOf(p, 2 * part + <i32>(i >> 2), d);
        storeQuad(to + (i << 7), quad(p, part >> 2, part & 3, i), scale, zero);
      }
    }
  }
}

/**
 * y[n, m] = sum_k x[n, k] W[m, k]. y f32 [n, m] ldy | x f32 [n, k] ldx | w packed q6_k [m, k], k %
 * 256 == 0 | scratch gemm_scratch()
 */
export function gemm_q6_k(
  y: usize,
  x: usize,
  w: usize,
  scratch: usize,
  n: i32,
  m: i32,
  k: i32,
  ldy: i32,
  ldx: i32,
): void {
  gemmPanels(y, x, w, scratch, n, m, k, ldy, ldx, <usize>(k / 256) * BLOCK_BYTES, unpack_q6_k);
}

/** y[i] = W[ids[i]]. y f32 [n, k] | w packed q6_k | ids i32 [n] | scratch gemm_scratch() */
export function gather_q6_k(y: usize, w: usize, ids: usize, scratch: usize, n: i32, k: i32): void {
  gatherRows(y, w, ids, scratch, n, k, <usize>(k / 256) * BLOCK_BYTES, unpack_q6_k);
}

/**
 * total + the products of part `part` (0..7, a constant) of 32 elements of a block with x, scaled.
 */
@inline
function addPart(total: v128, w: usize, x: usize, scales: usize, d: v128, part: i32): v128 {
  const by = f32x4.mul(d, v128.load32_splat(scales + ((<usize>part) << 2)));
  const from = x + ((<usize>part) << 6);
  let first = i32x4.splat(0);
  let second = first;
  for (let i: usize = 0; i < 4; i++) {
    first = dotQuad(first, quad(w, part >> 2, part & 3, i), from + (i << 3));
    second = dotQuad(second, quad(w, part >> 2, part & 3, i + 4), from + 32 + (i << 3));
  }
  total = madd(total, f32x4.convert_i32x4_s(first), scaleOf(w, 2 * part, by));
  return madd(total, f32x4.convert_i32x4_s(second), scaleOf(w, 2 * part + 1, by));
}

/**
 * y[m] = sum_k x[k] W[m, k]. y f32 [m] | q i16 [k], scales and sums f32 [k / 32] of quantize_i16 |
 * w packed q6_k [m, k], k % 256 == 0
 */
export function gemv_q6_k(
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
    for (let b = 0; b < blocks; b++, w += 4 * BLOCK_BYTES, x += 512, by += 32) {
      const d = loadHalves(w + D);
      total = addPart(total, w, x, by, d, 0);
      total = addPart(total, w, x, by, d, 1);
      total = addPart(total, w, x, by, d, 2);
      total = addPart(total, w, x, by, d, 3);
      total = addPart(total, w, x, by, d, 4);
      total = addPart(total, w, x, by, d, 5);
      total = addPart(total, w, x, by, d, 6);
      total = addPart(total, w, x, by, d, 7);
    }
    storeGroup(y + ((<usize>row) << 2), total, m - row);
  }
}

/**
 * out[t] += sum_m |sum_j x[t, j] W[m, k0 + j]|, j < d. out f32 [n] | x f32 [n, d] | w packed q6_k
 * [m, k] | scratch abs_sums_scratch(); n <= 64
 */
export function abs_sums_q6_k(
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
  absSums(out, x, w, scratch, n, m, k0, d, <usize>(k / 256) * BLOCK_BYTES, 256, unpack_q6_k);
}
