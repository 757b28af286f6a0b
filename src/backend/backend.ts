// What a backend is: a memory, and the operations of a transformer's forward pass and of eviction
// on it. What it is not: it knows no model, no policy, no conversation. Operations take effect in
// the order of the calls. All sizes are legal, 0 included.
//
// Letters: T tokens at hand, n rows of a head, d head dimension, Hq and Hkv query and kv heads, G =
// Hq / Hkv, m and k rows and columns of a weight. Tensors are f32 unless said. `reference/`
// defines every operation as a plain loop.
import type { Arena } from './arena.ts';
import type { RowSide, RowType, WeightType } from './dtype.ts';
import type { Address, HeadRows, Scores, Tensor, Weight } from './tensor.ts';

/**
 * Which positions a query may see, and how the looks of many become one number (algorithms, section
 * 2).
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
  /** Rows at the end of each head that take part in the softmax but get no score. Default 0. */
  readonly unscored?: number;
  /** What attention() left of these queries on the same rows; then they see all of them. */
  readonly looks?: Looks;
}

/**
 * What attention leaves of its queries for those who score rows: sums over the first rows of each
 * head only, all but the last `unseen`.
 */
export interface Looks {
  /** f32 [Hkv][2][T, G]: largest score, and sum of exp(score - largest). */
  readonly address: Address;
  readonly unseen: number;
}

/** Where angles lie: f32 [*, rotated], row i = [cos of rotated / 2 angles | sin]. */
export interface Angles {
  readonly address: Address;
  readonly rotated: number;
  /** 'pairs': (2j, 2j + 1) as llama; 'halves': (j, j + rotated / 2) as qwen (NeoX). */
  readonly style: 'pairs' | 'halves';
}

/** Where a product goes, and the weight that makes it. */
export type Product = readonly [y: Tensor, w: Weight];

export interface Backend {
  /** 'wasm' or 'reference'. */
  readonly name: string;
  /** Which build of the kernels: 'simd', 'relaxed', 'debug'; 'f64' for the reference. */
  readonly build: string;
  /** How many threads share its work. */
  readonly threads: number;
  readonly arena: Arena;

  /** Copies bytes into memory. */
  write(address: Address, bytes: Uint8Array): void;
  /** Copies `count` bytes inside memory; the regions may overlap. */
  moveBytes(to: Address, from: Address, count: number): void;
  /** A view of memory. It is valid until the next allocation: use it at once, never keep it. */
  bytes(address: Address, count: number): Uint8Array;
  floats(address: Address, count: number): Float32Array;
  ints(address: Address, count: number): Int32Array;

  /** Bytes that a weight takes once packed. */
  weightBytes(type: WeightType, rows: number, columns: number): number;
  /**
   * Stores rows `row` .. `row + count` of a weight, `file` holding them as the GGUF file does; row
   * % 4 == 0, and so is count but for the last rows.
   */
  packRows(weight: Weight, row: number, count: number, file: Uint8Array): void;

  /** y[i] = W[ids[i]]; ids i32 [n]. */
  embed(y: Tensor, table: Weight, ids: Address, n: number): void;
  /** y[i] = x[i] / sqrt(mean(x[i]^2) + eps) * w, for n rows of w.columns; y may be x. */
  rmsNorm(y: Tensor, x: Tensor, w: Tensor, n: number, eps: number): void;
  /**
   * y[n, m] = x[n, k] W^T for several outputs and weights. Sums run over k in order, so a row's
   * result does not depend on n.
   */
  linear(products: readonly Product[], x: Tensor, n: number): void;
  /**
   * The same for one row, by kernels made for decoding: quantised weights meet x rounded to 16 bits
   * in blocks of 32.
   */
  linearOne(products: readonly Product[], x: Tensor): void;
  /** y[i] += x[i] (matrix), or y[i] += x[0] for every i (bias), n rows of y.columns. */
  add(y: Tensor, x: Tensor, n: number): void;
  addBias(y: Tensor, bias: Tensor, n: number): void;
  /** y = silu(gate) * up, n rows of y.columns; y may be gate. */
  swiglu(y: Tensor, gate: Tensor, up: Tensor, n: number): void;

  /** Rotates n rows of `heads` heads of d by angle rows 0 .. n - 1. */
  rope(x: Tensor, angles: Angles, n: number, heads: number, d: number): void;
  /** Rotates n cached keys, of a type whose rows stand alone, by one row of angles. */
  ropeShift(keys: Address, angles: Angles, n: number, d: number, type: RowType): void;
  /** Stores head h of x [n, heads * d] as rows of a cache, of a type whose rows stand alone. */
  storeRows(rows: Address, x: Tensor, head: number, n: number, d: number, type: RowType): void;
  /** Widens rows list[0 .. n), list i32, of a type whose keys share grids: f32 [n, d] at out. */
  gatherRows(
    out: Address,
    rows: Address,
    list: Address,
    n: number,
    d: number,
    type: RowType,
    side: RowSide,
  ): void;
  /**
   * Rounds x f32 [n, d] and stores it as rows list[0 .. n), n > 0, of such a type: keys together,
   * on one grid that is written at `grid` (gridBytes, an even address), values each by itself.
   */
  groupRows(
    rows: Address,
    list: Address,
    x: Address,
    grid: Address,
    n: number,
    d: number,
    type: RowType,
    side: RowSide,
  ): void;
  /**
   * out[T, Hq * d] = causal attention of q [T, Hq * d] over heads, the last T rows of each being
   * the block's own.
   */
  attention(
    out: Tensor,
    q: Tensor,
    heads: readonly HeadRows[],
    T: number,
    d: number,
    type: RowType,
    looks?: Looks,
  ): void;

  /** scores[h][i] of section 2, over the rows of each head. `out` has room for all of them. */
  observe(
    out: Address,
    heads: readonly HeadRows[],
    d: number,
    type: RowType,
    o: Observation,
  ): Scores;
  /**
   * Worst case over observers of smoothed attention (algorithms, section 5.1, step 1): max over g,
   * p of A', where A' is A averaged over `size` (odd) neighbouring scored rows and rescaled to its
   * old sum.
   */
  observeDefensive(
    out: Address,
    heads: readonly HeadRows[],
    d: number,
    type: RowType,
    o: Omit<Observation, 'aggregate'>,
    size: number,
  ): Scores;
  /**
   * v[i] = mean over g of norm1(V[i] Wo_{h,g}) for rows from[h] and later; wo [D, Hq * d] is the
   * output projection, Wo_{h,g} a query head's slice.
   */
  valueNorms(
    out: Address,
    heads: readonly HeadRows[],
    from: readonly number[],
    d: number,
    type: RowType,
    wo: Weight,
  ): Scores;
  /**
   * Mean over g of softmax_i(m . k[i] + k[i] C k[i] / 2), m and C the mean and covariance of the
   * head's `count` queries / sqrt(d): the attention that queries drawn like these will pay. `spare`
   * has room for all scores too.
   */
  expectedAttention(
    out: Address,
    spare: Address,
    heads: readonly HeadRows[],
    d: number,
    type: RowType,
    queries: Tensor,
    count: number,
  ): Scores;
  /** norm2 of each key, or value. */
  rowNorms(out: Address, heads: readonly HeadRows[], of: RowSide, d: number, type: RowType): Scores;
  /** cos of each key with the mean direction of its head's keys, mean_j k_j / norm(k_j). */
  keyCosines(out: Address, heads: readonly HeadRows[], d: number, type: RowType): Scores;
  /**
   * Each score averaged with its neighbours, `size` (odd) in all, zeros beyond the ends, head by
   * head. `out` lies apart.
   */
  averagePool(out: Address, scores: Scores, size: number): Scores;
  /**
   * Indices of the min(k, n) largest of n numbers, ascending, ties to the lower: i32 at kept.
   * Returns how many.
   */
  topK(kept: Address, scores: Address, n: number, k: number): number;
  /** rows[i] = rows[kept[i]], i < count; kept ascends. */
  compactRows(rows: Address, kept: Address, count: number, rowBytes: number): void;

  /**
   * labels i32 [n], distances [n] to the nearest of E centroids [E, x.columns]: squared. `known`
   * saves work from one step to the next.
   */
  kmeansAssign(
    labels: Address,
    distances: Address,
    x: Tensor,
    centroids: Tensor,
    n: number,
    E: number,
    known?: KnownDistances,
  ): void;
  /** sums [E, x.columns] and counts i32 [E] of the rows with each label. */
  kmeansSum(sums: Tensor, counts: Address, x: Tensor, labels: Address, n: number, E: number): void;

  /**
   * Bytes of working memory that operations on up to T tokens (and P observers) of this shape need;
   * reserve() sets it aside.
   */
  scratchBytes(shape: ScratchShape): number;
  /** Reserves working memory for these shapes until release() is called. */
  reserveScratch(shape: ScratchShape): () => void;

  /** Frees the memory. Nothing may be called afterwards. */
  dispose(): void;
}

/** What one assignment to centroids leaves for the next. */
export interface KnownDistances {
  /** f32 [n]: distance to the second nearest centroid, at least. */
  readonly bounds: Address;
  /**
   * f32 [E]: how far each centroid has moved since labels and bounds were left there. Not given:
   * they were not.
   */
  readonly moved?: Address;
}

/** What the largest operation will be. */
export interface ScratchShape {
  readonly tokens: number;
  readonly queryHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Widest weight input (k), or row that is clustered. */
  readonly width: number;
  /** Most centroids. Default 0: nothing is clustered. */
  readonly clusters?: number;
}
