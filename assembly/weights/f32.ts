// F32 weights. Group: [k][4 rows] f32.
import { gemvNumbers } from '../gemm/floats';

/** Elements of a block, and its 16-bit, 32-bit and 16-bit fields (pack.ts). */
export const ELEMENTS: i32 = 1;
export const HEAD: i32 = 0;
export const WORDS: i32 = 1;
export const TAIL: i32 = 0;

export function unpack(dst: usize, src: usize, k0: i32, count: i32): void {
  let from = src + ((<usize>k0) << 4);
  for (let i = 0; i < count; i++, from += 16, dst += 32) v128.store(dst, v128.load(from));
}

export function gemv(y: usize, x: usize, w: usize, m: i32, k: i32): void {
  gemvNumbers<f32>(y, x, w, m, k);
}
