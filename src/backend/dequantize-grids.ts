// What the bytes of the IQ types stand for: blocks of 256 in 8 parts of 32 elements, a part 4 times
// 8. What names a grid's entry (grids.ts) gives the magnitudes of 8 or 4 elements.
import { halfToFloat } from '../math/half.ts';
import type { Block } from './dequantize.ts';
import { type GridName, gridOf } from './grids.ts';

const IQ2_LEVELS = [8, 25, 43];
const IQ3_XXS_LEVELS = [4, 12, 20, 28, 36, 44, 52, 62];

/** Element i of a block of each type. */
export const gridFormats = {
  // d f16 | 8 x [4 bytes name entries | 4 x 7 bits of signs, 4 bits of scale]
  iq2_xxs(b: Block, i: number) {
    const at = 2 + 8 * (i >> 5);
    const level = IQ2_LEVELS[digit('iq2_xxs', b.byte(at + eightOf(i)), i & 7)];
    return b.half(0) * quarters(wordAt(b, at + 4) >>> 28) * evenSign(b, at + 4, i) * level;
  },
  // d f16 | 32 u16: 9 bits name an entry, 7 are signs | 8 bytes: scales of 16 elements, 4 bits
  iq2_xs(b: Block, i: number) {
    const word = pairAt(b, 2 + 2 * (i >> 3));
    const level = IQ2_LEVELS[digit('iq2_xs', word & 511, i & 7)];
    const negative = signOf(sevenSigns(word >> 9), i & 7);
    return b.half(0) * quarters(halfScale(b, 66, i)) * negative * level;
  },
  // d f16 | 32 bytes: low bits of entries | 32 bytes of signs | 8 bytes: upper pairs | 8 of scales
  iq2_s(b: Block, i: number) {
    const upper = (b.byte(66 + (i >> 5)) >> (2 * eightOf(i))) & 3;
    const level = IQ2_LEVELS[digit('iq2_s', b.byte(2 + (i >> 3)) | (upper << 8), i & 7)];
    const negative = signOf(b.byte(34 + (i >> 3)), i & 7);
    return b.half(0) * quarters(halfScale(b, 74, i)) * negative * level;
  },
  // d f16 | 64 bytes name entries of 4 | 8 x [4 x 7 bits of signs, 4 bits of scale]
  iq3_xxs(b: Block, i: number) {
    const at = 66 + 4 * (i >> 5);
    const level = IQ3_XXS_LEVELS[digit('iq3_xxs', b.byte(2 + (i >> 2)), i & 3)];
    return b.half(0) * 2 * quarters(wordAt(b, at) >>> 28) * evenSign(b, at, i) * level;
  },
  // d f16 | 64 bytes: low bits of entries of 4 | 8 bytes: upper bits | 32 bytes of signs | 4 bytes:
  // scales, 4 bits
  iq3_s(b: Block, i: number) {
    const upper = (b.byte(66 + (i >> 5)) >> ((i >> 2) & 7)) & 1;
    const level = 2 * digit('iq3_s', b.byte(2 + (i >> 2)) | (upper << 8), i & 3) + 1;
    const scale = (b.byte(106 + (i >> 6)) >> (4 * ((i >> 5) & 1))) & 15;
    return b.half(0) * (2 * scale + 1) * signOf(b.byte(74 + (i >> 3)), i & 7) * level;
  },
  // d f16 | 32 bytes: low bits of entries | 8 u16: 4 x 3 upper bits, 3 bits of scale, a sign
  iq1_s(b: Block, i: number) {
    const word = pairAt(b, 34 + 2 * (i >> 5));
    const upper = (word >> (3 * eightOf(i))) & 7;
    const level = digit('iq1_s', b.byte(2 + (i >> 3)) | (upper << 8), i & 7) - 1;
    return b.half(0) * (2 * ((word >> 12) & 7) + 1) * (level + signOf(word >> 15, 0) / 8);
  },
  // 32 bytes: low bits of entries | 16 bytes, a nibble an entry: 3 upper bits, a sign | 4 u16: 4 x
  // 3 bits of scales, 4 bits of d f16
  iq1_m(b: Block, i: number) {
    const upper = (b.byte(32 + (i >> 4)) >> (4 * ((i >> 3) & 1))) & 15;
    const level = digit('iq1_s', b.byte(i >> 3) | ((upper & 7) << 8), i & 7) - 1;
    const own = [0, 1, 2, 3].map((n) => pairAt(b, 48 + 2 * n));
    const d = halfToFloat(own.reduce((bits, word, n) => bits | ((word >> 12) << (4 * n)), 0));
    const scale = (own[i >> 6] >> (3 * ((i >> 4) & 3))) & 7;
    return d * (2 * scale + 1) * (level + signOf(upper >> 3, 0) / 8);
  },
} as const;

/** Which 8 of its part an element is in. */
const eightOf = (i: number): number => (i >> 3) & 3;

const pairAt = (b: Block, at: number): number => b.byte(at) | (b.byte(at + 1) << 8);
const wordAt = (b: Block, at: number): number => pairAt(b, at) | (pairAt(b, at + 2) << 16);

function digit(name: GridName, entry: number, j: number): number {
  return gridOf(name)[(name.startsWith('iq3') ? 4 : 8) * entry + j];
}

/** (scale + 1/2) / 4 */
const quarters = (scale: number): number => (scale + 0.5) / 4;

/** The 4-bit scale of 16 elements, of those that begin at a byte. */
function halfScale(b: Block, at: number, i: number): number {
  return (b.byte(at + (i >> 5)) >> (4 * ((i >> 4) & 1))) & 15;
}

const signOf = (bits: number, j: number): number => (((bits >> j) & 1) === 0 ? 1 : -1);

/** The sign of element i, of a part whose word of 4 x 7 signs begins at a byte. */
function evenSign(b: Block, at: number, i: number): number {
  return signOf(sevenSigns((wordAt(b, at) >>> (7 * eightOf(i))) & 127), i & 7);
}

/** Seven signs, and an eighth that makes their number even. */
function sevenSigns(bits: number): number {
  let odd = 0;
  for (let j = 0; j < 7; j++) odd ^= (bits >> j) & 1;
  return bits | (odd << 7);
}
