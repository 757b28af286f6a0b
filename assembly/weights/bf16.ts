// BF16 weights. Group: [k][4 rows] bf16.
import { absSums, gatherRows, gemmPanels, gemvNumbers } from '../dense';
import { loadBrainHalves } from '../simd';

function unpack_bf16(dst: usize, src: usize, k0: i32, count: i32): void {
  let from = src + ((<usize>k0) << 3);
  for (let i = 0; i < count; i++, from += 8, dst += 32) v128.store(dst, loadBrainHalves(from));
}

/**
 * y[n, m] = sum_k x[n, k] W[m, k]. y f32 [n, m] ldy | x f32 [n, k] ldx | w packed bf16 [m, k] |
 * scratch gemm_scratch()
 */
export function gemm_bf16(
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
  gemmPanels(y, x, w, scratch, n, m, k, ldy, ldx, <usize>k * 2, unpack_bf16);
}

/** y[i] = W[ids[i]]. y f32 [n, k] | w packed bf16 | ids i32 [n] | scratch gemm_scratch() */
export function gather_bf16(y: usize, w: usize, ids: usize, scratch: usize, n: i32, k: i32): void {
  gatherRows(y, w, ids, scratch, n, k, <usize>k * 2, unpack_bf16);
}

/** y[m] = sum_k x[k] W[m, k]. y f32 [m] | x f32 [k] | w packed bf16 [m, k] */
export function gemv_bf16(y: usize, x: usize, w: usize, m: i32, k: i32): void {
  gemvNumbers<i16>(y, x, w, m, k);
}

/**
 * out[t] += sum_m |sum_j x[t, j] W[m, k0 + j]|, j < d. out f32 [n] | x f32 [n, d] | w packed bf16
 * [m, k] | scratch abs_sums_scratch(); n <= 64
 */
export function abs_sums_bf16(
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
  absSums(out, x, w, scratch, n, m, k0, d, <usize>k * 2, 1, unpack_bf16);
}
