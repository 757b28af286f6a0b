// Records that say where numbers lie in a backend's memory. They own nothing and compute nothing.
import type { WeightType } from './dtype.ts';

/** A byte address in a backend's memory, 16-byte aligned where an arena gave it. */
export type Address = number;

/** f32 [*, columns], row after row; how many rows count is said by each call. */
export interface Tensor {
  readonly address: Address;
  readonly columns: number;
}

/** A weight matrix [rows, columns] as its backend packed it. */
export interface Weight {
  readonly address: Address;
  readonly type: WeightType;
  readonly rows: number;
  readonly columns: number;
}

/** Queries [T, Hq * d], keys and values [T, Hkv * d] of T tokens. */
export interface QueriesKeysValues {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
}

/**
 * Numbers for the rows of some heads, f32, head after head without gaps: how many of each, the
 * backend knows.
 */
export interface Scores {
  readonly address: Address;
}

/** Where angles lie: f32 [*, rotated], row i = [cos of rotated / 2 angles | sin]. */
export interface Angles {
  readonly address: Address;
  readonly rotated: number;
  /** 'pairs': (2j, 2j + 1) as llama; 'halves': (j, j + rotated / 2) as qwen (NeoX). */
  readonly style: 'pairs' | 'halves';
}
