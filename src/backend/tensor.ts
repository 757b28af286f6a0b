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

/** The rows of one kv head: keys and values [length, d] of a row type. */
export interface HeadRows {
  keys: Address;
  values: Address;
  /** i32 [length]: each row's token, counted from the conversation's first. */
  positions: Address;
  /** f32 [length]: what a policy accumulates over blocks; 0 where it accumulates nothing. */
  state: Address;
  /**
   * i32 [length]: the rotary position that each key was stored with; only where rows are of few
   * bits (cache.ts), else 0.
   */
  places?: Address;
  length: number;
}

/**
 * Numbers for the rows of a layer's heads, f32, head after head without gaps: head h has counts[h].
 */
export interface Scores {
  readonly address: Address;
  readonly counts: readonly number[];
}
