// The table of stored types: weights as GGUF files hold them, and rows of the cache.

/** How one block of a weight type lies in the file: `head` 16-bit, `words` 32-bit, `tail` 16-bit fields (assembly/pack.ts). */
export interface WeightType {
  readonly name: WeightName;
  /** ggml's number for the type. */
  readonly ggml: number;
  /** Elements of a block; a row is a whole number of blocks. */
  readonly elements: number;
  readonly head: number;
  readonly words: number;
  readonly tail: number;
}

export type WeightName = 'f32' | 'f16' | 'bf16' | 'q8_0' | 'q4_0' | 'q4_1' | 'q5_0' | 'q5_1' | 'q4_k' | 'q5_k' | 'q6_k';

export const weightTypes: readonly WeightType[] = [
  { name: 'f32', ggml: 0, elements: 1, head: 0, words: 1, tail: 0 },
  { name: 'f16', ggml: 1, elements: 1, head: 1, words: 0, tail: 0 },
  { name: 'bf16', ggml: 30, elements: 1, head: 1, words: 0, tail: 0 },
  { name: 'q8_0', ggml: 8, elements: 32, head: 1, words: 8, tail: 0 },
  { name: 'q4_0', ggml: 2, elements: 32, head: 1, words: 4, tail: 0 },
  { name: 'q4_1', ggml: 3, elements: 32, head: 2, words: 4, tail: 0 },
  { name: 'q5_0', ggml: 6, elements: 32, head: 1, words: 5, tail: 0 },
  { name: 'q5_1', ggml: 7, elements: 32, head: 2, words: 5, tail: 0 },
  { name: 'q4_k', ggml: 12, elements: 256, head: 2, words: 35, tail: 0 },
  { name: 'q5_k', ggml: 13, elements: 256, head: 2, words: 43, tail: 0 },
  { name: 'q6_k', ggml: 14, elements: 256, head: 0, words: 52, tail: 1 },
];

/** Bytes of a row of k elements. */
export function weightRowBytes(type: WeightType, k: number): number {
  return (k / type.elements) * (2 * type.head + 4 * type.words + 2 * type.tail);
}

/**
 * Types of cached rows, with the number kernels know them by: of those with few bits that is the bits. They are rotated before rounding
 * (assembly/quant.ts) and carry a scale of their own.
 */
export const rowTypes = {
  f32: { code: 0, bits: 32 },
  f16: { code: 1, bits: 16 },
  int8: { code: 8, bits: 8 },
  int4: { code: 4, bits: 4 },
  int3: { code: 3, bits: 3 },
} as const;
export type RowType = keyof typeof rowTypes;
export const rowTypeNames = Object.keys(rowTypes) as RowType[];

/** Whether rows of a type are rounded to few bits. */
export function isQuantized(type: RowType): boolean {
  return rowTypes[type].bits < 16;
}

/** Head dimensions that rows of few bits can have are multiples of this. */
export const QUANTIZED_MULTIPLE = 8;
/** Step and lowest value, f16 each. */
const SCALE_BYTES = 4;

/** Bytes of a row of d numbers. */
export function rowBytes(type: RowType, d: number): number {
  const codes = (d * rowTypes[type].bits) / 8;
  return isQuantized(type) ? Math.ceil((codes + SCALE_BYTES) / 4) * 4 : codes;
}
