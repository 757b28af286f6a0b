// What the bytes of a GGUF weight stand for, written from ggml's block layouts as plainly as can
// be: the definition of the formats.
import { halfToFloat } from '../math/half.ts';
import { gridFormats } from './dequantize-grids.ts';
import { type WeightName, weightRowBytes, weightTypes } from './dtype.ts';

/** What a block holds at a byte. */
export interface Block {
  byte(at: number): number;
  signed(at: number): number;
  half(at: number): number;
  float(at: number): number;
}

/** `count` numbers from a file's bytes. */
export function dequantize(type: WeightName, bytes: Uint8Array, count: number): Float32Array {
  const row = weightTypes.find(({ name }) => name === type)!;
  const { elements } = row;
  const size = weightRowBytes(row, elements);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let from = 0;
  const block: Block = {
    byte: (at) => view.getUint8(from + at),
    signed: (at) => view.getInt8(from + at),
    half: (at) => halfToFloat(view.getUint16(from + at, true)),
    float: (at) => view.getFloat32(from + at, true),
  };
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    from = Math.floor(i / elements) * size;
    out[i] = formats[type](block, i % elements);
  }
  return out;
}

/** Element i of a block of each type. */
const formats: Readonly<Record<WeightName, (b: Block, i: number) => number>> = {
  f32: (b) => b.float(0),
  f16: (b) => b.half(0),
  // the upper half of an f32
  bf16(b) {
    const word = new DataView(new ArrayBuffer(4));
    word.setUint8(0, b.byte(1));
    word.setUint8(1, b.byte(0));
    return word.getFloat32(0);
  },
  // d f16 | 32 i8
  q8_0: (b, i) => b.half(0) * b.signed(2 + i),
  // d f16 | 16 bytes: element i in the low nibble of byte i, element i + 16 in the high one
  q4_0: (b, i) => b.half(0) * (nibble(b, 2, i) - 8),
  // d, m f16 | 16 bytes
  q4_1: (b, i) => b.half(0) * nibble(b, 4, i) + b.half(2),
  // d f16 | 32 high bits | 16 bytes
  q5_0: (b, i) => b.half(0) * ((nibble(b, 6, i) | (bit(b, 2, i) << 4)) - 16),
  // d, m f16 | 32 high bits | 16 bytes
  q5_1: (b, i) => b.half(0) * (nibble(b, 8, i) | (bit(b, 4, i) << 4)) + b.half(2),
  // d, dmin f16 | 12 bytes of scales and mins | 128 bytes: 64 elements in 32 bytes, low nibbles
  // first
  q4_k(b, i) {
    const [scale, min] = scaleAndMin(b, 4, i >> 5);
    return b.half(0) * scale * wideNibble(b, 16, i) - b.half(2) * min;
  },
  // d, dmin f16 | 12 bytes | 32 bytes of fifth bits: bit i >> 5 of byte i & 31 | 128 bytes
  q5_k(b, i) {
    const [scale, min] = scaleAndMin(b, 4, i >> 5);
    const fifth = (b.byte(16 + (i & 31)) >> (i >> 5)) & 1;
    return b.half(0) * scale * (wideNibble(b, 48, i) + 16 * fifth) - b.half(2) * min;
  },
  // 128 bytes of low nibbles | 64 bytes of top pairs | 16 i8 scales | d f16
  q6_k(b, i) {
    // halves of 128: quarters 0 and 1 are low nibbles of 64 bytes, 2 and 3 the high ones
    const [part, j] = [i >> 7, i & 127];
    const byte = b.byte(64 * part + (j & 63));
    const low = j < 64 ? byte & 15 : byte >> 4;
    const top = (b.byte(128 + 32 * part + (j & 31)) >> (2 * (j >> 5))) & 3;
    return b.half(208) * b.signed(192 + (i >> 4)) * ((low | (top << 4)) - 32);
  },
  // d f16 | 16 bytes
  iq4_nl: (b, i) => b.half(0) * nonLinear[nibble(b, 2, i)],
  // d f16 | 16 bits: the top pairs of 8 scales | 4 bytes: their low nibbles | 8 x 16 bytes
  iq4_xs(b, i) {
    const part = i >> 5;
    const top = (b.byte(2 + (part >> 2)) >> (2 * (part & 3))) & 3;
    const low = (b.byte(4 + (part >> 1)) >> (4 * (part & 1))) & 15;
    return b.half(0) * ((low | (top << 4)) - 32) * nonLinear[nibble(b, 8 + 16 * part, i & 31)];
  },
  // 16 bytes: a scale low, a min high | 64 bytes | d, dmin f16
  q2_k(b, i) {
    const own = b.byte(i >> 4);
    return b.half(80) * (own & 15) * pairOfFour(b, 16, i) - b.half(82) * (own >> 4);
  },
  // 32 bytes of third bits: bit i >> 5 of byte i & 31 | 64 bytes | 12 bytes of scales: 16 low
  // nibbles, the high ones behind the low ones; 16 top pairs likewise | d f16
  q3_k(b, i) {
    const third = (b.byte(i & 31) >> (i >> 5)) & 1;
    const s = i >> 4;
    const low = (b.byte(96 + (s & 7)) >> (4 * (s >> 3))) & 15;
    const top = (b.byte(104 + (s & 3)) >> (2 * (s >> 2))) & 3;
    return b.half(108) * ((low | (top << 4)) - 32) * (pairOfFour(b, 32, i) + 4 * third - 4);
  },
  // a byte, the exponent of the scale | 16 bytes
  mxfp4: (b, i) => 2 ** (b.byte(0) - 128) * fourBits[nibble(b, 1, i)],
  // 4 scales: 4 bits of exponent, 3 of mantissa | 4 x 8 bytes: 8 low nibbles, 8 high ones
  nvfp4(b, i) {
    const byte = b.byte(4 + 8 * (i >> 4) + (i & 7));
    return smallFloat(b.byte(i >> 4)) * 0.5 * fourBits[(i & 8) === 0 ? byte & 15 : byte >> 4];
  },
  // d f16 | 128 bits
  q1_0: (b, i) => b.half(0) * (2 * bit(b, 2, i) - 1),
  // d f16 | 16 bytes of four neighbours
  q2_0: (b, i) => b.half(0) * (((b.byte(2 + (i >> 2)) >> (2 * (i & 3))) & 3) - 1),
  // 32 bytes of five digits: the first of all, the second of all .. | 16 bytes likewise | 4 bytes
  // of
  // four | d f16. A byte is a fraction to base 3, rounded up
  tq1_0(b, i) {
    const [at, size, from] = i < 160 ? [0, 32, 0] : i < 240 ? [32, 16, 160] : [48, 4, 240];
    const left = b.byte(at + ((i - from) % size)) * 3 ** Math.floor((i - from) / size);
    return b.half(52) * ((((left & 255) * 3) >> 8) - 1);
  },
  // 64 bytes | d f16
  tq2_0: (b, i) => b.half(64) * (pairOfFour(b, 0, i) - 1),
  ...gridFormats,
};

/** What the codes of IQ4_NL and IQ4_XS stand for. */
const nonLinear = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/** What those of MXFP4 and NVFP4 stand for. */
const fourBits = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/** The scale of a byte of NVFP4. The one that stands for no number is 0, and there is no sign. */
function smallFloat(byte: number): number {
  const [exponent, mantissa] = [(byte >> 3) & 15, byte & 7];
  if (byte === 0x7f) return 0;
  return exponent === 0 ? mantissa / 512 : (1 + mantissa / 8) * 2 ** (exponent - 7);
}

/**
 * Pair i of bits of a block of 256 whose 64 bytes begin at `at`: 128 in 32 bytes, of which the
 * lowest
 * pairs are the first 32.
 */
function pairOfFour(b: Block, at: number, i: number): number {
  return (b.byte(at + 32 * (i >> 7) + (i & 31)) >> (2 * ((i >> 5) & 3))) & 3;
}

/** Nibble i of a block of 32 whose 16 bytes begin at `at`. */
function nibble(b: Block, at: number, i: number): number {
  const byte = b.byte(at + (i & 15));
  return i < 16 ? byte & 15 : byte >> 4;
}

/** Nibble i of a block of 256 whose 128 bytes begin at `at`. */
function wideNibble(b: Block, at: number, i: number): number {
  const byte = b.byte(at + 32 * (i >> 6) + (i & 31));
  return (i & 32) === 0 ? byte & 15 : byte >> 4;
}

/** Bit i of those that begin at `at`. */
function bit(b: Block, at: number, i: number): number {
  return (b.byte(at + (i >> 3)) >> (i & 7)) & 1;
}

/** The 6-bit scale and min of 32 elements number j of a K block's 12 bytes. */
function scaleAndMin(b: Block, at: number, j: number): [number, number] {
  if (j < 4) return [b.byte(at + j) & 63, b.byte(at + 4 + j) & 63];
  return [
    (b.byte(at + 4 + j) & 15) | ((b.byte(at + j - 4) >> 6) << 4),
    (b.byte(at + 4 + j) >> 4) | ((b.byte(at + j) >> 6) << 4),
  ];
}
