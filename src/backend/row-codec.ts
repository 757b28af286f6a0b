// What the bytes of a cached row stand for, as plainly as can be: the definition of the row types
// (docs/algorithms.md, 'Rotated rows', 'KIVI rows' and 'Mixed bits'; assembly/rows/rotated.ts and
// assembly/rows/kivi.ts draw how their bytes lie).
import { floatToHalf, halfToFloat } from '../math/half.ts';
import {
  gridBytes,
  isGrouped,
  isQuantized,
  type RowSide,
  type RowType,
  type RowTypeInfo,
  rowBytes,
  rowTypes,
} from './dtype.ts';

/**
 * A row's bytes, of types whose rows stand alone. Throws RangeError for a number of channels that
 * rows of few bits cannot have.
 */
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
  const at = Math.ceil((d * bits) / 32) * 4;
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

/**
 * The numbers of a row, turned back where it was rotated. `rest` is where that lies which it names,
 * where it does not stand alone.
 */
export function decodeRow(
  bytes: Uint8Array,
  d: number,
  type: RowType,
  side: RowSide = 'keys',
  rest?: Rest,
): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isGrouped(type)) return decodeTailed(bytes, d, type, side, rest!);
  if (type === 'f32')
    return Float64Array.from({ length: d }, (_, j) => view.getFloat32(4 * j, true));
  if (type === 'f16')
    return Float64Array.from({ length: d }, (_, j) => halfToFloat(view.getUint16(2 * j, true)));
  return unrotateRow(dequantize(bytes, d, rowTypes[type].bits as 3 | 4 | 8));
}

/** The numbers that codes, step and lowest value stand for. */
export function dequantize(bytes: Uint8Array, d: number, bits: 3 | 4 | 8): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = Math.ceil((d * bits) / 32) * 4;
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

/** A tail with its halves exchanged. */
const exchange = (tail: number) => ((tail << 16) | (tail >>> 16)) >>> 0;

/** The tail of a row that is not rounded, and of one on a grid: the number of what it names. */
export const tailOf = (number: number, rounded: boolean) =>
  exchange((rounded ? 0 : 0x80000000) | number);

/** What a row of keys, or one that is not rounded, names. */
export function namedBy(tail: number): { number: number; rounded: boolean } {
  const exchanged = exchange(tail);
  return { number: exchanged & 0x7fffffff, rounded: exchanged >>> 31 === 0 };
}

/** What rows name: grids lie before the address, rows that are not rounded behind it. */
export interface Rest {
  readonly memory: ArrayBuffer;
  readonly address: number;
}

/** Where a grid lies. */
export const gridAddress = (rest: number, grid: number, d: number, type: RowType) =>
  rest - (grid + 1) * gridBytes(type, d);

/** Where a row lies that is not rounded. */
export const unroundedAddress = (rest: number, number: number, d: number) => rest + number * 2 * d;

function decodeTailed(
  bytes: Uint8Array,
  d: number,
  type: RowType,
  side: RowSide,
  { memory, address: rest }: Rest,
): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { number, rounded } = namedBy(view.getUint32(bytes.length - 4, true));
  if (!rounded)
    return decodeRow(new Uint8Array(memory, unroundedAddress(rest, number, d), 2 * d), d, 'f16');
  if (side === 'values') return dequantize(bytes, d, Math.ceil(rowTypes[type].bits) as 3 | 4 | 8);
  const at = gridAddress(rest, number, d, type);
  const grid = readGrid(new Uint8Array(memory, at, gridBytes(type, d)), d, type);
  const mixed = (rowTypes[type] as RowTypeInfo).scheme === 'mixed';
  let bit = 0;
  return Float64Array.from(grid, ({ step, lo, width }, j) => {
    let code = 0;
    if (mixed)
      for (let b = 0; b < width; b++, bit++) code |= ((bytes[bit >> 3] >> (bit & 7)) & 1) << b;
    else
      for (const [k, [byte, shift, part]] of placesOf(j, d, width, 2 ** width - 1).entries())
        code |= ((bytes[byte] >> shift) & part) << (2 * k);
    return code * step + lo;
  });
}

function readGrid(
  bytes: Uint8Array,
  d: number,
  type: RowType,
): { step: number; lo: number; width: number }[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { bits, scheme }: RowTypeInfo = rowTypes[type];
  return Array.from({ length: d }, (_, j) => ({
    step: halfToFloat(view.getUint16(2 * j, true)),
    lo: halfToFloat(view.getUint16(2 * (d + j), true)),
    width: scheme === 'mixed' ? bytes[4 * d + j] : bits,
  }));
}

/**
 * Rounds keys together: the grid that they share, and their bytes, which name it by its number.
 */
export function encodeGroup(
  keys: readonly ArrayLike<number>[],
  type: RowType,
  number: number,
): { grid: Uint8Array; rows: Uint8Array[] } {
  const d = keys[0].length;
  const { bits, scheme }: RowTypeInfo = rowTypes[type];
  const lows = Array.from({ length: d }, (_, j) => Math.min(...keys.map((key) => key[j])));
  const ranges = lows.map((lo, j) => Math.fround(Math.max(...keys.map((key) => key[j])) - lo));
  const widths = scheme === 'mixed' ? shareBits(ranges, d * bits) : ranges.map(() => bits);
  const grid = new Uint8Array(gridBytes(type, d));
  const view = new DataView(grid.buffer);
  widths.forEach((width, j) => {
    view.setUint16(2 * j, floatToHalf(ranges[j] / (2 ** width - 1)), true);
    view.setUint16(2 * (d + j), floatToHalf(lows[j]), true);
    if (scheme === 'mixed') grid[4 * d + j] = width;
  });
  const read = readGrid(grid, d, type);
  const rows = keys.map((key) => {
    const bytes = new Uint8Array(rowBytes(type, d));
    let bit = 0;
    read.forEach(({ step, lo, width }, j) => {
      const code =
        step > 0 ? Math.min(2 ** width - 1, Math.max(0, roundHalfEven((key[j] - lo) / step))) : 0;
      if (scheme === 'mixed')
        for (let b = 0; b < width; b++, bit++) bytes[bit >> 3] |= ((code >> b) & 1) << (bit & 7);
      else
        for (const [byte, shift, part] of placesOf(j, d, width, code)) bytes[byte] |= part << shift;
    });
    new DataView(bytes.buffer).setUint32(bytes.length - 4, tailOf(number, true), true);
    return bytes;
  });
  return { grid, rows };
}

/** Fewest and most bits of a channel where they are mixed. */
const [LEAST_BITS, MOST_BITS] = [2, 8];

/**
 * Bits of each channel, `total` in all, so that the sum of squared steps is least: one bit after
 * the other goes to the channel where it helps most (docs/algorithms.md, 'Mixed bits').
 */
export function shareBits(ranges: readonly number[], total: number): number[] {
  const widths = ranges.map(() => LEAST_BITS);
  const gain = (j: number) => {
    if (widths[j] === MOST_BITS) return Number.NEGATIVE_INFINITY;
    const [now, then] = [widths[j], widths[j] + 1].map((width) =>
      Math.fround(ranges[j] / (2 ** width - 1)),
    );
    return Math.fround(Math.fround(now * now) - Math.fround(then * then));
  };
  for (let left = total - LEAST_BITS * ranges.length; left > 0; left--) {
    const gains = ranges.map((_, j) => gain(j));
    widths[gains.indexOf(Math.max(...gains))]++;
  }
  return widths;
}

/**
 * Where code j lies: bytes, how far to shift, and the code's bits there, from the lowest two on.
 */
function placesOf(
  j: number,
  d: number,
  bits: number,
  code: number,
): [byte: number, shift: number, part: number][] {
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

/**
 * H diag(s) x: entry (i, j) of H is the sign of the parity of i & j, within blocks of the largest
 * power of two that divides d.
 */
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
    for (let both = Math.floor(at / width) & (at % width); both > 0; both >>>= 1)
      parity ^= both & 1;
    return parity === 1 ? -1 : 1;
  });
  matrices.set(width, signs);
  return signs;
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  return x - floor === 0.5 ? floor + (floor % 2) : Math.round(x);
}
