// What types with blocks of 32 elements have in common. A type is a class whose `this` is a block of
// a packed group, four rows wide (pack.ts): its methods say where things lie. Elements come in
// quads, 16 bytes of [4 rows][4 k]: low(j) are elements 4 j .. 4 j + 3, high(j) the same plus 16.
import { storeGroup } from '../gemm/floats';
import { PANEL_BLOCK, PANEL_CODES, PANEL_SECOND } from '../gemm/integers';
import { ROUNDED_BLOCK, ROUNDED_CODES, SCALE, SUM, TOTAL } from '../gemm/rounded';
import { madd } from '../simd';
import { storePairs, storeQuad } from './unpack';

/** Bytes of a group's block: four rows of them. */
@inline
function groupBytes<B>(): usize {
  return 4 * changetype<B>(0).bytes();
}

/** A quad less what its codes are too large by. */
@inline
function signed<B>(quad: v128): v128 {
  const bias = changetype<B>(0).bias();
  return bias == 0 ? quad : i8x16.sub(quad, i8x16.splat(<i8>bias));
}

/** A type's Unpack (gemm/floats.ts). */
@inline
export function unpackBlocks<B>(dst: usize, src: usize, k0: i32, count: i32): void {
  let p = src + <usize>(k0 / 32) * groupBytes<B>();
  for (let i = 0; i < count; i += 32, p += groupBytes<B>(), dst += 32 * 32) {
    const block = changetype<B>(p);
    const scale = block.scale();
    const offset = block.offset();
    for (let j = 0; j < 4; j++) {
      const to = dst + ((<usize>j) << 7);
      storeQuad(to, block.low(j), scale, offset);
      storeQuad(to + 512, block.high(j), scale, offset);
    }
  }
}

/** A type's UnpackCodes (gemm/integers.ts). */
@inline
export function unpackBlockCodes<B>(dst: usize, src: usize, k0: i32, count: i32): void {
  let p = src + <usize>(k0 / 32) * groupBytes<B>();
  for (let i = 0; i < count; i += 32, p += groupBytes<B>(), dst += PANEL_BLOCK) {
    const block = changetype<B>(p);
    v128.store(dst, block.scale());
    if (block.hasOffset()) v128.store(dst, block.offset(), PANEL_SECOND);
    for (let j = 0; j < 4; j++) {
      const to = dst + PANEL_CODES + ((<usize>j) << 6);
      storePairs(to, signed<B>(block.low(j)));
      storePairs(to + 256, signed<B>(block.high(j)));
    }
  }
}

/**
 * y[m] = sum_k x[k] W[m, k], block after block as gemmIntegers() adds them. y f32 [m] | x rounded
 * [k] | w packed [m, k], k % 32 == 0
 */
@inline
export function gemvBlocks<B>(y: usize, x: usize, w: usize, m: i32, k: i32): void {
  const end = x + <usize>(k / 32) * ROUNDED_BLOCK;
  for (let row = 0; row < m; row += 4) {
    let sums = f32x4.splat(0);
    for (let q = x; q < end; q += ROUNDED_BLOCK, w += groupBytes<B>()) {
      const block = changetype<B>(w);
      let products = block.dot(q);
      // what each code is too large by, times the sum of x
      const bias = block.bias();
      if (bias != 0)
        products = i32x4.sub(
          products,
          i32x4.shl(v128.load32_splat(q, ROUNDED_CODES + TOTAL), ctz(bias)),
        );
      const scale = f32x4.mul(block.scale(), v128.load32_splat(q, ROUNDED_CODES + SCALE));
      sums = madd(sums, f32x4.convert_i32x4_s(products), scale);
      if (block.hasOffset())
        sums = madd(sums, block.offset(), v128.load32_splat(q, ROUNDED_CODES + SUM));
    }
    storeGroup(y + ((<usize>row) << 2), sums, m - row);
  }
}
