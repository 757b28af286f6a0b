// Rows of plain numbers, f32 or f16, one after the other.
import { storeHalf, storeHalves, widenHalves } from '../simd';

/** Widens n rows of numbers of `size` bytes: dst f32 [n, d] ldd | src rows [n, d] */
@inline
export function loadPlain(dst: usize, src: usize, n: i32, d: i32, ldd: i32, size: i32): void {
  const bytes = <usize>(d * size);
  for (let i = 0; i < n; i++, src += bytes, dst += (<usize>ldd) << 2) {
    if (size == 4) memory.copy(dst, src, bytes);
    else widenHalves(dst, src, d);
  }
}

/** Stores n rows: dst rows [n, d] | src f32 [n, d] lds */
@inline
export function storePlain(dst: usize, src: usize, n: i32, d: i32, lds: i32, size: i32): void {
  const bytes = <usize>(d * size);
  for (let i = 0; i < n; i++, dst += bytes, src += (<usize>lds) << 2) {
    if (size == 4) {
      memory.copy(dst, src, bytes);
      continue;
    }
    let j: usize = 0;
    for (; j + 4 <= <usize>d; j += 4) storeHalves(dst + (j << 1), v128.load(src + (j << 2)));
    for (; j < <usize>d; j++) storeHalf(dst + (j << 1), load<f32>(src + (j << 2)));
  }
}
