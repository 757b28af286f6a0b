// The numbers of a frame: rows rounded on their grids, and read again. Both ends read the same.
import type { Packing } from '../../backend/wasm/packing.ts';
import { rangeBytes, rangesOf, readRanges } from './grids.ts';
import { transpose } from './rows.ts';

/** How rows are rounded. */
export interface Rounding {
  /** Bits of each channel; of each row where `byToken`. */
  readonly bits: Uint8Array;
  /** Channels that share a range. */
  readonly group: number;
  readonly byToken: boolean;
}

export interface Packed {
  /** lo and hi, then the numbers. */
  readonly parts: readonly Uint8Array[];
  readonly exponent: number;
}

/** Bits of all numbers of `rows` rows of D together. */
export function bitsOf({ bits, byToken }: Rounding, rows: number, D: number): number {
  return bits.reduce((sum, b) => sum + b, 0) * (byToken ? D : rows);
}

/** Ranges that a frame of these rows has. */
export const rangesIn = ({ bits, group }: Rounding): number => rangeBytes(bits.length, group) / 4;

/** Rounds rows x [rows, D], at least one. Throws OptionError where a number is not finite. */
export function packRows(kernels: Packing, x: Float32Array, how: Rounding, D: number) {
  const { bits, group, byToken } = how;
  const rows = x.length / D;
  const columns = byToken ? transpose(x, D) : x;
  const { ranges, exponent, bytes } = rangesOf(kernels, columns, bits.length, group);
  const packed = new Uint8Array(Math.ceil(bitsOf(how, rows, D) / 8));
  kernels.pack(packed, columns, { ...ranges, bits });
  return { parts: [bytes, packed], exponent } satisfies Packed;
}

/** The rows that a frame's ranges and numbers say. Throws ProtocolError where a range is none. */
export function unpackRows(
  kernels: Packing,
  { bytes, exponent }: { readonly bytes: Uint8Array; readonly exponent: number },
  { bits, group, byToken }: Rounding,
  rows: number,
  D: number,
): Float32Array {
  const x = new Float32Array(rows * D);
  const front = rangeBytes(bits.length, group);
  const ranges = readRanges(bytes.subarray(0, front), bits.length, group, exponent);
  kernels.unpack(x, bytes.subarray(front), { ...ranges, bits });
  return byToken ? transpose(x, rows) : x;
}
