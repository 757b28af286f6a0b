// Products with weights of every type: who looks up the type, and calls what fits it.
import { weightType } from '../weights/table';
import { ABS_SCRATCH, absSums, FLOATS_SCRATCH, gatherRows, gemmFloats, Unpack } from './floats';
import { gemmIntegers, INTEGERS_SCRATCH, UnpackCodes } from './integers';
import { FLOATS, Gemv } from '../weights/table';

/** Bytes of scratch for gemm() and gather(). */
export function gemm_scratch(): i32 {
  return max(FLOATS_SCRATCH, INTEGERS_SCRATCH);
}

/**
 * y[n, m] = sum_k x[n, k] W[m, k]. y f32 [n, m] ldy | x [n, k] f32, or rounded (rounded.ts) where the
 * type wants it | w packed [m, k] | scratch gemm_scratch()
 */
export function gemm(
  y: usize,
  x: usize,
  w: usize,
  scratch: usize,
  n: i32,
  m: i32,
  k: i32,
  ldy: i32,
  type: i32,
): void {
  const t = weightType(type);
  const bytes = t.rowBytes(k);
  if (t.kind == FLOATS)
    gemmFloats(y, x, w, scratch, n, m, k, ldy, bytes, changetype<Unpack>(t.unpack));
  else {
    const unpack = changetype<UnpackCodes>(t.codes);
    gemmIntegers(y, x, w, scratch, n, m, k, ldy, bytes, unpack, t.kind);
  }
}

/** The same for one row of x, bit for bit. y f32 [m] | x [k] | w packed [m, k] */
export function gemv(y: usize, x: usize, w: usize, m: i32, k: i32, type: i32): void {
  changetype<Gemv>(weightType(type).gemv)(y, x, w, m, k);
}

/** y[i] = W[ids[i]]. y f32 [n, k] | w packed | ids i32 [n] | scratch gemm_scratch() */
export function gather(
  y: usize,
  w: usize,
  ids: usize,
  scratch: usize,
  n: i32,
  k: i32,
  type: i32,
): void {
  const t = weightType(type);
  gatherRows(y, w, ids, scratch, n, k, t.rowBytes(k), changetype<Unpack>(t.unpack));
}

/** Bytes of scratch for abs_sums(). */
export function abs_sums_scratch(): i32 {
  return ABS_SCRATCH;
}

/**
 * out[t] += sum_m |sum_j x[t, j] W[m, k0 + j]|, j < d. out f32 [n] | x f32 [n, d] | w packed [m, k]
 * | scratch abs_sums_scratch(); n <= ABS_ROWS, k0 mod the block's elements + d <= PANEL_K
 */
export function abs_sums(
  out: usize,
  x: usize,
  w: usize,
  scratch: usize,
  n: i32,
  m: i32,
  k: i32,
  k0: i32,
  d: i32,
  type: i32,
): void {
  const t = weightType(type);
  const unpack = changetype<Unpack>(t.unpack);
  absSums(out, x, w, scratch, n, m, k0, d, t.rowBytes(k), t.elements, unpack);
}
