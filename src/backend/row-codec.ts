// What the bytes of a cached row stand for, as plainly as can be: the definition of the row types (assembly/quant.ts draws those of few bits).
import { floatToHalf, halfToFloat } from '../math/half.ts';
import { isQuantized, type RowType, rowBytes, rowTypes } from './dtype.ts';

/** A row's bytes. Throws RangeError for a number of channels that rows of few bits cannot have. */
export function encodeRow(values: ArrayLike<number>, type: RowType): Uint8Array {
  const d = values.length;
  const bytes = new Uint8Array(rowBytes(type, d));
  const view = new DataView(bytes.buffer);
  if (!isQuantized(type)) {
    for (let j = 0; j < d; j++) {
      if (type === 'f32') view.setFloat32(4 * j, values[j], true);
      else view.setUint16(2 * j, floatToHalf(values[j]), true);
    }
    return bytes;
  }
  if (d % 8 !== 0) throw new RangeError(`rows of few bits have a multiple of 8 channels, not ${d}`);
  bytes.set(quantize(rotateRow(values), rowTypes[type].bits as 3 | 4 | 8));
  return bytes;
}

/** Codes, step and lowest value of numbers as they are. */
export function quantize(values: readonly number[], bits: 3 | 4 | 8): Uint8Array {
  const d = values.length;
  const at = (d * bits) / 8;
  const bytes = new Uint8Array(at + 4);
  const view = new DataView(bytes.buffer);
  const levels = 2 ** bits - 1;
  const [lo, hi] = [Math.min(...values), Math.max(...values)];
  view.setUint16(at, floatToHalf((hi - lo) / levels), true);
  view.setUint16(at + 2, floatToHalf(lo), true);
  const [step, zero] = [at, at + 2].map((p) => halfToFloat(view.getUint16(p, true)));
  values.forEach((y, j) => {
    const code = step > 0 ? Math.min(levels, Math.max(0, roundHalfEven((y - zero) / step))) : 0;
    for (const [byte, shift, part] of placesOf(j, d, bits, code)) bytes[byte] |= part << shift;
  });
  return bytes;
}

/** The numbers of a row, turned back where it was rotated. */
export function decodeRow(bytes: Uint8Array, d: number, type: RowType): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (type === 'f32') return Float64Array.from({ length: d }, (_, j) => view.getFloat32(4 * j, true));
  if (type === 'f16') return Float64Array.from({ length: d }, (_, j) => halfToFloat(view.getUint16(2 * j, true)));
  return unrotateRow(dequantize(bytes, d, rowTypes[type].bits as 3 | 4 | 8));
}

/** The numbers that codes, step and lowest value stand for. */
export function dequantize(bytes: Uint8Array, d: number, bits: 3 | 4 | 8): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = (d * bits) / 8;
  const [step, lo] = [at, at + 2].map((p) => halfToFloat(view.getUint16(p, true)));
  return Float64Array.from({ length: d }, (_, j) => {
    let code = 0;
    let from = 0;
    for (const [byte, shift, part] of placesOf(j, d, bits, 2 ** bits - 1)) {
      code |= ((bytes[byte] >> shift) & part) << from;
      from += 2;
    }
    return code * step + lo;
  });
}

/** Where code j lies: bytes, how far to shift, and the code's bits there, from the lowest two on. */
function placesOf(j: number, d: number, bits: number, code: number): [byte: number, shift: number, part: number][] {
  if (bits === 8) return [[j, 0, code]];
  if (bits === 4) return [[j % (d / 2), j < d / 2 ? 0 : 4, code]];
  return [
    [j % (d / 4), 2 * Math.floor(j / (d / 4)), code & 3],
    [d / 4 + (j % (d / 8)), Math.floor(j / (d / 8)), code >> 2],
  ];
}

/** -1 or 1: the parity of a multiplicative hash of the channel. */
function signOf(j: number): number {
  let parity = 0;
  for (let h = Math.imul(j, 0x9e3779b1) >>> 0; h > 0; h >>>= 1) parity ^= h & 1;
  return parity === 1 ? -1 : 1;
}

/** H diag(s) x: entry (i, j) of H is the sign of the parity of i & j, within blocks of the largest power of two that divides d. */
export function rotateRow(x: ArrayLike<number>): number[] {
  return transform(Array.from(x, (v, j) => v * signOf(j)));
}

export function unrotateRow(y: ArrayLike<number>): Float64Array {
  return Float64Array.from(transform(Array.from(y)), (v, j) => v * signOf(j));
}

function transform(x: number[]): number[] {
  const width = x.length & -x.length;
  const signs = hadamard(width);
  return x.map((_, i) => {
    const block = i - (i % width);
    let sum = 0;
    for (let j = 0; j < width; j++) sum += signs[(i - block) * width + j] * x[block + j];
    return sum / Math.sqrt(width);
  });
}

const matrices = new Map<number, Int8Array>();
function hadamard(width: number): Int8Array {
  const known = matrices.get(width);
  if (known) return known;
  const signs = Int8Array.from({ length: width * width }, (_, at) => {
    let parity = 0;
    for (let both = Math.floor(at / width) & (at % width); both > 0; both >>>= 1) parity ^= both & 1;
    return parity === 1 ? -1 : 1;
  });
  matrices.set(width, signs);
  return signs;
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  return x - floor === 0.5 ? floor + (floor % 2) : Math.round(x);
}
