// The table of stored types: weights as GGUF files hold them, and rows of the cache.
import {
  BY_ROW,
  CODE_CHANNELS,
  GROUPED,
  MIXED,
  PANEL_K,
  ROWS_F16,
  ROWS_F32,
  TAIL_BYTES,
  weightRows,
} from '../../build/generated/kernels.ts';

/**
 * How one block of a weight type lies in the file: `lead` 8-bit, `head` 16-bit, `words` 32-bit,
 * `tail` 16-bit fields (assembly/weights/pack.ts).
 */
export interface WeightType {
  readonly name: WeightName;
  /** The number that kernels know it by. */
  readonly number: number;
  /** ggml's number for the type. */
  readonly ggml: number;
  /** Elements of a block; a row is a whole number of blocks. */
  readonly elements: number;
  readonly lead: number;
  readonly head: number;
  readonly words: number;
  readonly tail: number;
  /** Whether products want x rounded to 16 bits in blocks (assembly/gemm/rounded.ts). */
  readonly rounded: boolean;
}

export type WeightName = (typeof weightRows)[number]['name'];

/** The table of assembly/weights/table.ts. */
export const weightTypes: readonly WeightType[] = weightRows;

/** Bytes of a row of k elements. */
export function weightRowBytes(type: WeightType, k: number): number {
  const { elements, lead, head, words, tail } = type;
  return (k / elements) * (lead + 2 * (head + tail) + 4 * words);
}

/**
 * Most columns of the output projection that value norms take of a head, in whole blocks. Release
 * builds do not check it: with more the norms are wrong.
 */
export const MOST_VALUE_COLUMNS = PANEL_K;

/** Columns, in whole blocks, that the widest of `heads` slices of `headDim` columns lies in. */
export function valueColumns({ elements }: WeightType, headDim: number, heads: number): number {
  let most = 0;
  for (let h = 0; h < heads; h++) {
    const lead = (h * headDim) % elements;
    most = Math.max(most, Math.ceil((lead + headDim) / elements) * elements);
  }
  return most;
}

/** Which of the two rows of a token. */
export type RowSide = 'keys' | 'values';

/**
 * How cached rows are kept: plain numbers, rotated before rounding (assembly/rows/rotated.ts), or
 * as KIVI rounds them (assembly/rows/kivi.ts).
 */
export interface RowTypeInfo {
  /** Bits of a number; of a mixed type, of the average channel of keys. */
  readonly bits: number;
  readonly scheme: 'plain' | 'rotated' | 'kivi' | 'mixed';
}

/** Types of cached rows. */
export const rowTypes = {
  f32: { bits: 32, scheme: 'plain' },
  f16: { bits: 16, scheme: 'plain' },
  int8: { bits: 8, scheme: 'rotated' },
  int4: { bits: 4, scheme: 'rotated' },
  int3: { bits: 3, scheme: 'rotated' },
  'kivi-int8': { bits: 8, scheme: 'kivi' },
  'kivi-int4': { bits: 4, scheme: 'kivi' },
  'kivi-int3': { bits: 3, scheme: 'kivi' },
  'kivi-mixed4': { bits: 4, scheme: 'mixed' },
  'kivi-mixed3.5': { bits: 3.5, scheme: 'mixed' },
  'kivi-mixed3': { bits: 3, scheme: 'mixed' },
  'kivi-mixed2.5': { bits: 2.5, scheme: 'mixed' },
} as const satisfies Record<string, RowTypeInfo>;
export type RowType = keyof typeof rowTypes;
export const rowTypeNames = Object.keys(rowTypes) as RowType[];

/** The number that kernels know a type by (assembly/rows/types.ts). */
export function rowCode(type: RowType, side: RowSide = 'keys'): number {
  const { bits, scheme }: RowTypeInfo = rowTypes[type];
  if (type === 'f32') return ROWS_F32;
  if (type === 'f16') return ROWS_F16;
  if (scheme === 'rotated') return bits;
  if (side === 'values') return BY_ROW | Math.ceil(bits);
  return scheme === 'mixed' ? GROUPED | MIXED | (2 * bits) : GROUPED | bits;
}

/** Whether rows of a type are rounded to few bits. */
export function isQuantized(type: RowType): boolean {
  return rowTypes[type].bits < 16;
}

/** Whether keys of a type share grids, which lie apart from them (cpu/groups.ts). */
export function isGrouped(type: RowType): boolean {
  const { scheme }: RowTypeInfo = rowTypes[type];
  return scheme === 'kivi' || scheme === 'mixed';
}

/** Head dimensions that rows of few bits can have are multiples of this. */
export const QUANTIZED_MULTIPLE = CODE_CHANNELS;

/** Bytes of a row of d numbers. */
export function rowBytes(type: RowType, d: number, side: RowSide = 'keys'): number {
  const bits = side === 'values' ? Math.ceil(rowTypes[type].bits) : rowTypes[type].bits;
  return isQuantized(type)
    ? Math.ceil(Math.ceil((d * bits) / 8) / 4) * 4 + TAIL_BYTES
    : (d * bits) / 8;
}

/**
 * Bytes of the grid that a group of keys shares: step and lowest value of each channel, and how
 * many bits it has where that differs.
 */
export function gridBytes(type: RowType, d: number): number {
  const { scheme }: RowTypeInfo = rowTypes[type];
  return scheme === 'mixed' ? 5 * d : scheme === 'kivi' ? 4 * d : 0;
}
