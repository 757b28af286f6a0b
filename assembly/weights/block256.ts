// What Q4_K and Q5_K have in common: blocks of 256, 8 parts of 32 elements with a scale and a min of 6
// bits each (k-scales.ts); value = d * scale * q - dmin * min. A type is a class whose `this` is a
// block of a packed group, four rows wide (pack.ts). Parts come in pairs, the low and the high
// nibbles of the same bytes: pair c is parts 2 c and 2 c + 1, quad j of a part elements 4 j ..
// 4 j + 3.
import { storeGroup } from '../gemm/floats';
import { PANEL_BLOCK, PANEL_CODES, PANEL_SECOND } from '../gemm/integers';
import { ROUNDED_BLOCK, ROUNDED_CODES, SCALE, SUM } from '../gemm/rounded';
import { loadHalves, madd } from '../simd';
import { minsOf, partOf, scalesOf } from './k-scales';
import { storePairs, storeQuad } from './unpack';

/** Bytes of a group's block: four rows of them. */
@inline
function groupBytes<B>(): usize {
  return 4 * changetype<B>(0).bytes();
}

/** Scales of the 6-bit scales, and of the mins. */
@inline
function scaleAt(block: usize): v128 {
  return loadHalves(block);
}


@inline
function minAt(block: usize): v128 {
  return f32x4.neg(loadHalves(block + 8));
}

/** A type's Unpack (gemm/floats.ts). */
@inline
export function unpackBlocks<B>(dst: usize, src: usize, k0: i32, count: i32): void {
  let p = src + <usize>(k0 / 256) * groupBytes<B>();
  for (let i = 0; i < count; i += 256, p += groupBytes<B>()) {
    const block = changetype<B>(p);
    const d = scaleAt(p);
    const dmin = minAt(p);
    for (let c = 0; c < 4; c++, dst += 64 * 32) {
      const scales = scalesOf(p + 16, c);
      const mins = minsOf(p + 16, c);
      const s0 = partOf(d, scales, 2 * c);
      const s1 = partOf(d, scales, 2 * c + 1);
      const m0 = partOf(dmin, mins, 2 * c);
      const m1 = partOf(dmin, mins, 2 * c + 1);
      for (let j = 0; j < 8; j++) {
        const to = dst + ((<usize>j) << 7);
        storeQuad(to, block.low(c, j), s0, m0);
        storeQuad(to + 1024, block.high(c, j), s1, m1);
      }
    }
  }
}

/** A type's UnpackCodes (gemm/integers.ts). */
@inline
export function unpackBlockCodes<B>(dst: usize, src: usize, k0: i32, count: i32): void {
  let p = src + <usize>(k0 / 256) * groupBytes<B>();
  for (let i = 0; i < count; i += 256, p += groupBytes<B>()) {
    const block = changetype<B>(p);
    const d = scaleAt(p);
    const dmin = minAt(p);
    for (let c = 0; c < 4; c++, dst += 2 * PANEL_BLOCK) {
      const scales = scalesOf(p + 16, c);
      const mins = minsOf(p + 16, c);
      v128.store(dst, partOf(d, scales, 2 * c));
      v128.store(dst, partOf(dmin, mins, 2 * c), PANEL_SECOND);
      v128.store(dst + PANEL_BLOCK, partOf(d, scales, 2 * c + 1));
      v128.store(dst + PANEL_BLOCK, partOf(dmin, mins, 2 * c + 1), PANEL_SECOND);
      for (let j = 0; j < 8; j++) {
        const to = dst + PANEL_CODES + ((<usize>j) << 6);
        storePairs(to, block.low(c, j));
        storePairs(to + PANEL_BLOCK, block.high(c, j));
      }
    }
  }
}

/** sums + products of a part with x, scaled, and of its min with the sum of x. */
@inline
function addPart(sums: v128, products: v128, x: usize, scale: v128, min: v128): v128 {
  const by = f32x4.mul(scale, v128.load32_splat(x, ROUNDED_CODES + SCALE));
  sums = madd(sums, f32x4.convert_i32x4_s(products), by);
  return madd(sums, min, v128.load32_splat(x, ROUNDED_CODES + SUM));
}

/** sums + pair c (a constant) of a block with x. scales, mins: of the pair's four parts */
@inline
function addPair<B>(sums: v128, p: usize, x: usize, scales: v128, mins: v128, c: i32): v128 {
  const block = changetype<B>(p);
  const from = x + <usize>(2 * c) * ROUNDED_BLOCK;
  let low = i32x4.splat(0);
  let high = low;
  for (let j = 0; j < 8; j++) {
    const q = from + ((<usize>j) << 3);
    const v = block.nibbles(c, j);
    const fifth = block.fifth(j);
    low = block.addLow(low, v, fifth, c, q);
    high = block.addHigh(high, v, fifth, c, q + ROUNDED_BLOCK);
  }
  const d = scaleAt(p);
  const dmin = minAt(p);
  sums = addPart(sums, low, from, partOf(d, scales, 2 * c), partOf(dmin, mins, 2 * c));
  return addPart(
    sums,
    high,
    from + ROUNDED_BLOCK,
    partOf(d, scales, 2 * c + 1),
    partOf(dmin, mins, 2 * c + 1),
  );
}

/**
 * y[m] = sum_k x[k] W[m, k], part after part as gemmIntegers() adds them. y f32 [m] | x rounded [k]
 * | w packed [m, k], k % 256 == 0
 */
@inline
export function gemvBlocks<B>(y: usize, x: usize, w: usize, m: i32, k: i32): void {
  const end = x + <usize>(k / 32) * ROUNDED_BLOCK;
  for (let row = 0; row < m; row += 4) {
    let sums = f32x4.splat(0);
    for (let q = x; q < end; q += 8 * ROUNDED_BLOCK, w += groupBytes<B>()) {
      let scales = scalesOf(w + 16, 0);
      let mins = minsOf(w + 16, 0);
      sums = addPair<B>(sums, w, q, scales, mins, 0);
      sums = addPair<B>(sums, w, q, scales, mins, 1);
      scales = scalesOf(w + 16, 2);
      mins = minsOf(w + 16, 2);
      sums = addPair<B>(sums, w, q, scales, mins, 2);
      sums = addPair<B>(sums, w, q, scales, mins, 3);
    }
    storeGroup(y + ((<usize>row) << 2), sums, m - row);
  }
}
