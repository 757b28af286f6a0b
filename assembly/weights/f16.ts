// F16 weights. Group: [k][4 rows] f16.
import { gemvNumbers } from '../gemm/floats';
import { loadHalves } from '../simd';

/** Elements of a block, and its 16-bit, 32-bit and 16-bit fields (pack.ts). */
export const ELEMENTS: i32 = 1;
export const HEAD: i32 = 1;
export const WORDS: i32 = 0;
export const TAIL: i32 = 0;

export function unpack(dst: usize, src: usize, k0: i32, count: i32): void {
  let from = src + ((<usize>k0) << 3);
  for (let i = 0; i < count; i++, from += 8, dst += 32) v128.store(dst, loadHalves(from));
}

export function gemv(y: usize, x: usize, w: usize, m: i32, k: i32): void {
  gemvNumbers<u16>(y, x, w, m, k);
}
