// Q6_K weights, 6.5625 bits each. Block of 256: 128 bytes of low nibbles, 64 bytes of top bit
// pairs, 16 i8 scales, f16 d; value = d * scale[k / 16] * (q - 32). Group: per block 32 x [4
// rows][4 bytes] nibbles | 16 x [4 rows][4 bytes] top bits | 4 x [4 rows][4] scales | 4 d
import { storeGroup } from '../gemm/floats';
import { PANEL_BLOCK, PANEL_CODES, PANEL_SECOND } from '../gemm/integers';
import { ROUNDED_BLOCK, ROUNDED_CODES, SCALE } from '../gemm/rounded';
import { constant, loadHalves, madd } from '../simd';
import { dotQuad, highNibbles, lowNibbles, storePairs, storeQuad } from './unpack';

/** Elements of a block, and its 16-bit, 32-bit and 16-bit fields (pack.ts). */
export const ELEMENTS: i32 = 256;
export const HEAD: i32 = 0;
export const WORDS: i32 = 52;
export const TAIL: i32 = 1;

/** Bytes of a group's block: four rows of them. */
const GROUP_BYTES: usize = 4 * (4 * WORDS + 2 * TAIL);
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

export function unpack(dst: usize, src: usize, k0: i32, count: i32): void {
  let p = src + <usize>(k0 / 256) * GROUP_BYTES;
  for (let i = 0; i < count; i += 256, p += GROUP_BYTES, dst += 256 * 32) {
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

export function codes(dst: usize, src: usize, k0: i32, count: i32): void {
  let p = src + <usize>(k0 / 256) * GROUP_BYTES;
  for (let i = 0; i < count; i += 256, p += GROUP_BYTES) {
    const d = loadHalves(p + D);
    for (let part = 0; part < 8; part++, dst += PANEL_BLOCK) {
      v128.store(dst, scaleOf(p, 2 * part, d));
      v128.store(dst, scaleOf(p, 2 * part + 1, d), PANEL_SECOND);
      for (let i: usize = 0; i < 8; i++)
        storePairs(dst + PANEL_CODES + (i << 6), quad(p, part >> 2, part & 3, i));
    }
  }
}

/** sums + the products of part `part` (0..7, a constant) of 32 elements with x, scaled. */
@inline
function addPart(sums: v128, w: usize, x: usize, d: v128, part: i32): v128 {
  const from = x + <usize>part * ROUNDED_BLOCK;
  const by = v128.load32_splat(from, ROUNDED_CODES + SCALE);
  let first = i32x4.splat(0);
  let second = first;
  for (let i: usize = 0; i < 4; i++) {
    first = dotQuad(first, quad(w, part >> 2, part & 3, i), from + (i << 3));
    second = dotQuad(second, quad(w, part >> 2, part & 3, i + 4), from + 32 + (i << 3));
  }
  sums = madd(sums, f32x4.convert_i32x4_s(first), f32x4.mul(scaleOf(w, 2 * part, d), by));
  return madd(sums, f32x4.convert_i32x4_s(second), f32x4.mul(scaleOf(w, 2 * part + 1, d), by));
}

/**
 * y[m] = sum_k x[k] W[m, k], half a part after the other as gemmIntegers() adds them. y f32 [m] | x
 * rounded [k] | w packed [m, k], k % 256 == 0
 */
export function gemv(y: usize, x: usize, w: usize, m: i32, k: i32): void {
  const end = x + <usize>(k / 32) * ROUNDED_BLOCK;
  for (let row = 0; row < m; row += 4) {
    let sums = f32x4.splat(0);
    for (let q = x; q < end; q += 8 * ROUNDED_BLOCK, w += GROUP_BYTES) {
      const d = loadHalves(w + D);
      sums = addPart(sums, w, q, d, 0);
      sums = addPart(sums, w, q, d, 1);
      sums = addPart(sums, w, q, d, 2);
      sums = addPart(sums, w, q, d, 3);
      sums = addPart(sums, w, q, d, 4);
      sums = addPart(sums, w, q, d, 5);
      sums = addPart(sums, w, q, d, 6);
      sums = addPart(sums, w, q, d, 7);
    }
    storeGroup(y + ((<usize>row) << 2), sums, m - row);
  }
}
