// What the bytes of a GGUF weight stand for, written from ggml's block layouts as plainly as can
// be: the definition of the formats.
import { halfToFloat } from '../math/half.ts';
import type { WeightName } from './dtype.ts';

/** `count` numbers from a file's bytes. */
export function dequantize(type: WeightName, bytes: Uint8Array, count: number): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const half = (at: number) => halfToFloat(view.getUint16(at, true));
  const out = new Float32Array(count);
  switch (
    type // every case returns, and the compiler knows that there are no others
  ) {
    case 'f32':
      for (let i = 0; i < count; i++) out[i] = view.getFloat32(4 * i, true);
      return out;
    case 'f16':
      for (let i = 0; i < count; i++) out[i] = half(2 * i);
      return out;
    case 'bf16': {
      const word = new DataView(new ArrayBuffer(4));
      for (let i = 0; i < count; i++) {
        word.setUint32(0, view.getUint16(2 * i, true) << 16);
        out[i] = word.getFloat32(0);
      }
      return out;
    }
    case 'q8_0': // d f16 | 32 i8
      for (let b = 0; b < count / 32; b++)
        for (let i = 0; i < 32; i++) out[32 * b + i] = half(34 * b) * view.getInt8(34 * b + 2 + i);
      return out;
    // d f16 | 16 bytes: element i in the low nibble of byte i, element i + 16 in the high one
    case 'q4_0':
      for (let b = 0; b < count / 32; b++) {
        for (let i = 0; i < 32; i++)
          out[32 * b + i] = half(18 * b) * (nibble(bytes[18 * b + 2 + (i & 15)], i >> 4) - 8);
      }
      return out;
    case 'q4_1': // d, m f16 | 16 bytes
      for (let b = 0; b < count / 32; b++) {
        for (let i = 0; i < 32; i++)
          out[32 * b + i] =
            half(20 * b) * nibble(bytes[20 * b + 4 + (i & 15)], i >> 4) + half(20 * b + 2);
      }
      return out;
    case 'q5_0': // d f16 | 32 high bits | 16 bytes
      for (let b = 0; b < count / 32; b++) {
        const high = view.getUint32(22 * b + 2, true);
        for (let i = 0; i < 32; i++)
          out[32 * b + i] =
            half(22 * b) *
            ((nibble(bytes[22 * b + 6 + (i & 15)], i >> 4) | (((high >>> i) & 1) << 4)) - 16);
      }
      return out;
    case 'q5_1': // d, m f16 | 32 high bits | 16 bytes
      for (let b = 0; b < count / 32; b++) {
        const high = view.getUint32(24 * b + 4, true);
        for (let i = 0; i < 32; i++)
          out[32 * b + i] =
            half(24 * b) *
              (nibble(bytes[24 * b + 8 + (i & 15)], i >> 4) | (((high >>> i) & 1) << 4)) +
            half(24 * b + 2);
      }
      return out;
    // d, dmin f16 | 12 bytes of scales and mins | 128 bytes: 64 elements in 32 bytes, low nibbles
    // first
    case 'q4_k':
      for (let b = 0; b < count / 256; b++) {
        const at = 144 * b;
        for (let i = 0; i < 256; i++) {
          const [scale, min] = scaleAndMin(bytes, at + 4, i >> 5);
          out[256 * b + i] =
            half(at) * scale * nibble(bytes[at + 16 + 32 * (i >> 6) + (i & 31)], (i >> 5) & 1) -
            half(at + 2) * min;
        }
      }
      return out;
    // d, dmin f16 | 12 bytes | 32 bytes of fifth bits: bit i >> 5 of byte i & 31 | 128 bytes
    case 'q5_k':
      for (let b = 0; b < count / 256; b++) {
        const at = 176 * b;
        for (let i = 0; i < 256; i++) {
          const [scale, min] = scaleAndMin(bytes, at + 4, i >> 5);
          const fifth = (bytes[at + 16 + (i & 31)] >> (i >> 5)) & 1;
          out[256 * b + i] =
            half(at) *
              scale *
              (nibble(bytes[at + 48 + 32 * (i >> 6) + (i & 31)], (i >> 5) & 1) + 16 * fifth) -
            half(at + 2) * min;
        }
      }
      return out;
    case 'q6_k': // 128 bytes of low nibbles | 64 bytes of top pairs | 16 i8 scales | d f16
      for (let b = 0; b < count / 256; b++) {
        const at = 210 * b;
        for (let i = 0; i < 256; i++) {
          // halves of 128: quarters 0 and 1 are low nibbles of 64 bytes, 2 and 3 the high ones
          const [part, j] = [i >> 7, i & 127];
          const low = nibble(bytes[at + 64 * part + (j & 63)], j >> 6);
          const top = (bytes[at + 128 + 32 * part + (j & 31)] >> (2 * (j >> 5))) & 3;
          out[256 * b + i] =
            half(at + 208) * view.getInt8(at + 192 + (i >> 4)) * ((low | (top << 4)) - 32);
        }
      }
      return out;
  }
}

function nibble(byte: number, high: number): number {
  return high ? byte >> 4 : byte & 15;
}

/** The 6-bit scale and min of 32 elements number j of a K block's 12 bytes. */
function scaleAndMin(bytes: Uint8Array, at: number, j: number): [number, number] {
  if (j < 4) return [bytes[at + j] & 63, bytes[at + 4 + j] & 63];
  return [
    (bytes[at + 4 + j] & 15) | ((bytes[at + j - 4] >> 6) << 4),
    (bytes[at + 4 + j] >> 4) | ((bytes[at + j] >> 6) << 4),
  ];
}
