// Q5_0 weights, 5.5 bits each. Block of 32: f16 d; 32 fifth bits; 16 bytes, low nibbles k 0..15,
// high k 16..31; value = d * (q - 16). Group: per block 4 d | 4 words of fifth bits | 4 x [4
// rows][4 bytes]
import { absSums, gatherRows, storeGroup } from '../dense';
import { gemmInteger, PANEL_BLOCK } from '../integer';
import { constant, loadHalves, madd } from '../simd';
import { dotBytes, fifthBits, highNibbles, lowNibbles, storePairs, storeQuad } from './unpack';

const BLOCK_BYTES: usize = 22; // of one row; a group's block is four times that
const MINUS_16: usize = memory.data<f32>([-16]);
const BYTES_16: usize = memory.data<u32>([0x10101010]);

function unpack_q5_0(dst: usize, src: usize, k0: i32, count: i32): void {
  let p = src + <usize>(k0 / 32) * (4 * BLOCK_BYTES);
  for (let i = 0; i < count; i += 32, p += 4 * BLOCK_BYTES, dst += 32 * 32) {
    const d = loadHalves(p);
    const offset = f32x4.mul(d, constant(MINUS_16));
    const fifth = v128.load(p + 8);
    for (let j: usize = 0; j < 4; j++) {
      const v = v128.load(p + 24 + (j << 4));
      storeQuad(dst + (j << 7), v128.or(lowNibbles(v), fifthBits(fifth, (<i32>j) << 2)), d, offset);
      storeQuad(
        dst + 512 + (j << 7),
        v128.or(highNibbles(v), fifthBits(fifth, 16 + ((<i32>j) << 2))),
        d,
        offset,
      );
    }
  }
}

function codes_q5_0(dst: usize, src: usize, k0: i32, count: i32): void {
  let p = src + <usize>(k0 / 32) * (4 * BLOCK_BYTES);
  for (let i = 0; i < count; i += 32, p += 4 * BLOCK_BYTES, dst += PANEL_BLOCK) {
    v128.store(dst, loadHalves(p));
    const fifth = v128.load(p + 8);
    for (let j: usize = 0; j < 4; j++) {
      const v = v128.load(p + 24 + (j << 4));
      storePairs(
        dst + 64 + (j << 6),
        i8x16.sub(v128.or(lowNibbles(v), fifthBits(fifth, (<i32>j) << 2)), constant(BYTES_16)),
      );
      storePairs(
        dst + 320 + (j << 6),
        i8x16.sub(
          v128.or(highNibbles(v), fifthBits(fifth, 16 + ((<i32>j) << 2))),
          constant(BYTES_16),
        ),
      );
    }
  }
}

/**
 * y[n, m] = sum_k x[n, k] W[m, k]. y f32 [n, m] ldy | q, scales, sums of quantize_i16, [n, k] | w
 * packed q5_0 [m, k], k % 32 == 0 | scratch gemm_integer_scratch()
 */
export function gemm_q5_0(
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
    <usize>(k / 32) * BLOCK_BYTES,
    codes_q5_0,
    false,
  );
}

/** y[i] = W[ids[i]]. y f32 [n, k] | w packed q5_0 | ids i32 [n] | scratch gemm_scratch() */
export function gather_q5_0(y: usize, w: usize, ids: usize, scratch: usize, n: i32, k: i32): void {
  gatherRows(y, w, ids, scratch, n, k, <usize>(k / 32) * BLOCK_BYTES, unpack_q5_0);
}

/**
 * y[m] = sum_k x[k] W[m, k]. y f32 [m] | q i16 [k], scales and sums f32 [k / 32] of quantize_i16 |
 * w packed q5_0 [m, k], k % 32 == 0
 */
export function gemv_q5_0(
  y: usize,
  q: usize,
  scales: usize,
  sums: usize,
  w: usize,
  m: i32,
  k: i32,
): void {
  const blocks = k / 32;
  for (let row = 0; row < m; row += 4) {
    let total = f32x4.splat(0);
    for (let b = 0; b < blocks; b++, w += 4 * BLOCK_BYTES) {
      const x = q + ((<usize>b) << 6);
      const fifth = v128.load(w, 8);
      let low = i32x4.splat(0);
      let high = low;
      for (let j: usize = 0; j < 4; j++) {
        const v = v128.load(w + (j << 4), 24);
        low = dotBytes(low, v128.or(lowNibbles(v), fifthBits(fifth, (<i32>j) << 2)), x + (j << 3));
        high = dotBytes(
          high,
          v128.or(highNibbles(v), fifthBits(fifth, 16 + ((<i32>j) << 2))),
          x + 32 + (j << 3),
        );
      }
      const d = loadHalves(w);
      const sum = v128.load32_splat(sums + ((<usize>b) << 2));
      const scale = f32x4.mul(d, v128.load32_splat(scales + ((<usize>b) << 2)));
      total = madd(total, f32x4.convert_i32x4_s(i32x4.add(low, high)), scale);
      total = madd(total, f32x4.mul(d, constant(MINUS_16)), sum);
    }
    storeGroup(y + ((<usize>row) << 2), total, m - row);
  }
}

/**
 * out[t] += sum_m |sum_j x[t, j] W[m, k0 + j]|, j < d. out f32 [n] | x f32 [n, d] | w packed q5_0
 * [m, k] | scratch abs_sums_scratch(); n <= 64
 */
export function abs_sums_q5_0(
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
  absSums(out, x, w, scratch, n, m, k0, d, <usize>(k / 32) * BLOCK_BYTES, 32, unpack_q5_0);
}
