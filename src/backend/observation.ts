// How queries look at cached rows: what attention is told of it, and those who rate rows by it.
import type { Address, Tensor } from './tensor.ts';

/** What becomes of scores q . k / sqrt(d) before they are attention. */
export interface Attending {
  /** Scores s become cap tanh(s / cap). Default: they stay. */
  readonly cap?: number | undefined;
  /** [Hq]: a score of each query head's own, whose share of the attention goes to no row. */
  readonly sinks?: Tensor | undefined;
}

export interface AttentionHow extends Attending {
  /** Where sums for those who rate rows are left. */
  readonly looks?: Looks | undefined;
  /**
   * A token sees rows of the last so many tokens only, by their numbers, its own included; not with
   * looks.
   */
  readonly window?: number | undefined;
}

/**
 * Which rows a query may see, and how the looks of many become one number (docs/algorithms.md,
 * 'Looks and smoothing').
 */
export interface Observation {
  /** Queries f32 [count, Hq * d] after RoPE. */
  readonly queries: Tensor;
  readonly count: number;
  /**
   * Causal: the queries belong to the last `count` rows of each head. Otherwise they see all rows
   * they are shown.
   */
  readonly causal: boolean;
  readonly aggregate: 'mean' | 'max';
  /**
   * Rows at the end of each head that take part in the softmax but get no score, as far as every
   * head has so many. Default 0.
   */
  readonly unscored?: number;
  /** What attention() left of these queries on the same rows; then they see all of them. */
  readonly looks?: Looks;
  /** As attention() was told. */
  readonly attending?: Attending | undefined;
}

/**
 * What attention leaves of its queries for those who score rows: sums over the first rows of each
 * head only, all but the last `unseen`, and without sinks.
 */
export interface Looks {
  /** f32 [Hkv][2][T, G]: largest score, and sum of exp(score - largest). */
  readonly address: Address;
  readonly unseen: number;
}
