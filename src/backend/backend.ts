// What a backend is: a memory, and the operations of a transformer's forward pass and of eviction
// on it. What it is not: it knows no model, no policy, no conversation. `write` and operations take
// effect in the order of the calls and give nothing back; what they left is read, and awaited. A
// read sees what was asked for before it, nothing that was asked for behind it. Nobody outside
// backend/ sees memory: it may be a device's. All sizes are legal, 0 included.
//
// Letters: T tokens at hand, n rows of a head, d head dimension, Hq and Hkv query and kv heads, G =
// Hq / Hkv, m and k rows and columns of a weight. Tensors are f32 unless said. `reference/`
// defines every operation as a plain loop.
import type { Arena } from './arena.ts';
import type { Cache, LayerRows } from './cache.ts';
import type { CacheShape } from './cache-shape.ts';
import type { ClusterOptions, Clusters } from './clusters.ts';
import type { Drawing } from './drawing.ts';
import type { RowSide, RowType, WeightType } from './dtype.ts';
import type { Elements } from './elements.ts';
import type { Experts } from './experts.ts';
import type { BackendLimits, ScratchShape } from './limits.ts';
import type { AttentionHow, Observation } from './observation.ts';
import type { Activation, Around, NormBefore, Product } from './product.ts';
import type { Recurrent } from './recurrent.ts';
import type { Rounding } from './rounding.ts';
import type { MostLooked, Protection, Selection, Share } from './selection.ts';
import type { StreamOps } from './streams.ts';
import type { Address, Angles, Scores, Tensor, Weight } from './tensor.ts';
import type { Training } from './training.ts';

export type { Angles, Drawing };
export type { Columns } from './elements.ts';
export type { Activation, AddBehind, Around, NormBefore, Product } from './product.ts';
export type { AttentionHow, Attending, Looks, Observation } from './observation.ts';
export type { BackendLimits, MostLooked, Protection, ScratchShape, Selection, Share };

/** What a row is worth by its token: a function, or its number and a constant. */
export type TokenRate = ((token: number, head: number) => number) | { readonly plus: number };

/** What is made of a fault of scores that is found later. */
export interface LaterFault {
  /** Those that looked, f32 [count, columns]. */
  readonly queries?: Tensor;
  readonly count: number;
  /** `odd`: what, not being finite, scores cannot be made of. */
  error(fault: string, odd?: 'queries' | 'keys' | 'values'): Error;
}

export interface Backend extends Elements, StreamOps {
  /** 'wasm' or 'reference'. */
  readonly name: string;
  /** Which build of the kernels: 'simd', 'relaxed', 'debug'; 'f64' for the reference. */
  readonly build: string;
  /** How many threads share its work. */
  readonly threads: number;
  /** Why they are fewer than were asked for, where that is so. */
  readonly fallback?: string | undefined;
  /** Whether its memory may go away: what is asked for then rejects with DeviceLostError. */
  readonly canBeLost?: boolean;
  readonly arena: Arena;
  /** What it can do at most: asked before anything is planned. */
  readonly limits: BackendLimits;
  /** Gradients, losses and the optimiser, where it can train. */
  readonly training?: Training;
  /** Convolutions, delta nets and Mamba-2, where it runs recurrent layers. */
  readonly recurrent?: Recurrent;
  /** Layers of experts, where it has them. */
  readonly experts?: Experts;
  /**
   * Products with quantised weights that are asked for within `run` may round activations to 8
   * bits; others round to 16 at least. Missing: activations are f32.
   */
  inEightBits?(run: () => void): void;
  /** How products round activations, where they do. */
  readonly rounding?: Rounding;
  /** Whether rows of a type can be cached for heads of so many dimensions. */
  supportsRows(type: RowType, headDim: number): boolean;

  /** Copies numbers or bytes into memory. */
  write(address: Address, data: ArrayBufferView): void;
  /** Copies `count` bytes inside memory; the regions may overlap. */
  copy(to: Address, from: Address, count: number): void;
  /** Numbers f32, or i32, as they are once everything asked for before is done. */
  readFloats(address: Address, count: number): Promise<Float32Array<ArrayBuffer>>;
  readInts(address: Address, count: number): Promise<Int32Array<ArrayBuffer>>;

  /** Bytes that a cache of this shape reserves. */
  cacheBytes(shape: CacheShape): number;
  /** Reserves one. Throws DeviceError where memory ends. */
  createCache(shape: CacheShape): Cache;

  /** Bytes that a weight takes once packed. */
  weightBytes(type: WeightType, rows: number, columns: number): number;
  /**
   * Stores rows `row` .. `row + count` of a weight, `file` holding them as the GGUF file does; row
   * % 4 == 0, and so is count but for the last rows, of the weight or of an expert. Bytes that
   * `rowsAt` gave are packed where they are.
   */
  packRows(weight: Weight, row: number, count: number, file: Uint8Array): void;
  /**
   * Where rows will lie, for what is read to be packed there: until the memory grows. Left out by
   * a device, whose memory nobody else writes to.
   */
  rowsAt?(weight: Weight, row: number, count: number): Uint8Array;

  /** y[i] = W[ids[i]]; ids i32 [n]. */
  embed(y: Tensor, table: Weight, ids: Address, n: number): void;
  /**
   * y[n, m] = x[n, k] W^T + bias for several outputs and weights; x normed first, or y added to,
   * where that is asked for (`around`). A row's bits are the same whatever n is; quantised weights
   * meet x rounded to 16 bits in blocks of 32. Neither holds on a device (`canBeLost`): it takes x
   * as it is, and sums up in one order for few rows, in another for many.
   */
  linear(products: readonly Product[], x: Tensor, n: number, around?: Around): void;
  /** The same for one row. */
  linearOne(products: readonly Product[], x: Tensor, around?: Around): void;
  /**
   * y = activation(gate) * up, two products of x [n, k], which may be written where they go; y may
   * be the gate's place.
   */
  gated(
    y: Tensor,
    gate: Product,
    up: Product,
    x: Tensor,
    n: number,
    activation: Activation,
    before?: NormBefore,
  ): void;
  /**
   * out[T, Hq * d] = causal attention of q [T, Hq * d] over rows, the last T of each head being the
   * block's own.
   */
  attention(out: Tensor, q: Tensor, rows: LayerRows, T: number, how?: AttentionHow): void;

  // Scores: one number for each row of some heads, higher = keep. `out` has room for one of each
  // row, also where some get none.

  /** s[h][i] = mean, or max, over g, p of A_g[p, i], the attention of query p, head g to row i. */
  observe(out: Address, rows: LayerRows, o: Observation): Scores;
  /**
   * Worst case over observers of smoothed attention: max over g, p of A', where A' is A averaged
   * over `size` (odd) neighbouring scored rows and rescaled to its old sum (docs/algorithms.md,
   * 'Defensive aggregation').
   */
  observeWorst(
    out: Address,
    rows: LayerRows,
    o: Omit<Observation, 'aggregate'>,
    size: number,
  ): Scores;
  /**
   * Mean over g of softmax_i(m . k[i] + k[i] C k[i] / 2), m and C the mean and covariance of the
   * head's `count` queries / sqrt(d): the attention that queries drawn like these will pay, but for
   * caps and sinks, with which it has no such formula. `spare` has room for all scores too.
   */
  expectedAttention(
    out: Address,
    spare: Address,
    rows: LayerRows,
    queries: Tensor,
    count: number,
  ): Scores;
  /** norm2 of each key, or value. */
  rowNorms(out: Address, rows: LayerRows, of: RowSide): Scores;
  /** cos of each key with the mean direction of its head's keys, mean_j k_j / norm(k_j). */
  keyCosines(out: Address, rows: LayerRows): Scores;
  /** `rate` of each row's token number and head, or the number plus `rate.plus`. */
  rateTokens(out: Address, rows: LayerRows, rate: TokenRate): Scores;
  /**
   * Each score averaged with its neighbours, `size` (odd) in all, zeros beyond the ends, head by
   * head. `out` lies apart.
   */
  averagePool(out: Address, scores: Scores, size: number): Scores;
  /** s = -s. */
  negate(scores: Scores): void;
  /** s[i] *= by[i]. */
  multiply(scores: Scores, by: Scores): void;
  /**
   * s[h][i] = mean over h of s[h][i], where all heads have as many; heads of different lengths are
   * left as they are.
   */
  meanOverHeads(scores: Scores): void;
  /** s[i] = max(s[i], mean_j s[j]), head by head. */
  raiseToMean(scores: Scores): void;
  /**
   * In each head the rows with the most mean attention, in order, get the best score of all, until
   * their share of it reaches `mass` less what lies on the last `recent` rows (averaged over
   * heads), or they are `rows` - `recent`. `spare` has room for an index a row.
   */
  raiseMost(scores: Scores, mean: Scores, most: MostLooked, spare: Address): void;
  /** state[i] += weight s[i]; s[i] = state[i] / (tokens - token[i]). */
  addToState(scores: Scores, rows: LayerRows, weight: number, tokens: number): void;
  /**
   * s[i] *= v[i] / sum_j v[j], v[i] = mean over g of norm1(V[i] Wo_{h,g}); output [D, Hq * d] is
   * the output projection, Wo_{h,g} a query head's slice. v stays with the row, as its state: only
   * rows of state 0 at the end of each head are projected. `spare` has room for all scores too.
   */
  weighByValues(scores: Scores, rows: LayerRows, output: Weight, spare: Address): void;
  /** into[i] = by s[i] ('first'), into[i] + by s[i] ('mean'), or max(into[i], by s[i]) ('max'). */
  fold(into: Address, scores: Scores, by: number, how: 'first' | 'mean' | 'max'): Scores;
  /** state[i] = s[i]. */
  keepAsState(rows: LayerRows, scores: Scores): void;
  /**
   * One score for every row, at an address or behind other scores: infinity for tokens below
   * `sinks`, for the newest `recent` rows, and for rows at the end that got none.
   */
  protect(to: Address | Scores, rows: LayerRows, scores: Scores, who: Protection): Scores;
  /** Scores that lie one behind the other, as scores of all their heads. */
  join(first: Scores, second: Scores): Scores;
  /**
   * What is wrong with scores that somebody handed in for these rows, to stand behind 'its score':
   * undefined where they are one number a row at most, none of them NaN. A backend that cannot tell
   * at once says nothing here, and rejects the next read with what `later` makes of it.
   */
  faultOf(scores: Scores, rows: LayerRows, later?: LaterFault): string | undefined;
  /**
   * Whether n rows of x are finite; whether scores are. A backend that cannot tell at once says
   * yes, and rejects the next read where they are not.
   */
  allFinite(x: Tensor, n: number): boolean;
  scoresFinite(scores: Scores): boolean;

  /**
   * The token that a random number in [0, 1) draws from log-odds f32 [1, V], or -1 where they are
   * not finite: i32 at `to`. Where a token stands next to another's place by less than rounding, it
   * may be that one. Only where log-odds are far from the host, which draws by itself elsewhere.
   */
  draw?(to: Address, logits: Tensor, by: Drawing, random: number): void;

  /**
   * Rows to keep of heads that share a budget, by a score for every row. `scores` is overwritten,
   * `kept` has room for one i32 a row. Exact counts, order preserved, ties to the lower row and
   * then the lower head.
   */
  select(kept: Address, rows: LayerRows, scores: Scores, share: Share): Selection;
  /** The same rows of every head, ascending; `kept` has room for one i32 a row. */
  selectListed(kept: Address, rows: LayerRows, list: readonly number[]): Selection;

  /** The scores, and the selected rows, of each head. */
  readScores(scores: Scores): Promise<Float32Array[]>;
  readSelection(selection: Selection): Promise<Int32Array[]>;

  /**
   * k-means of unit vectors, `count` no more than there are distinct ones. Same seed, same
   * clusters. On the host: a device has one for it.
   */
  kmeans(vectors: readonly Float32Array[], options: ClusterOptions): Clusters;

  /**
   * Bytes of working memory that operations on up to T tokens (and P observers) of this shape need;
   * reserve() sets it aside.
   */
  scratchBytes(shape: ScratchShape): number;
  /** Reserves working memory for these shapes until release() is called. */
  reserveScratch(shape: ScratchShape): () => void;

  /**
   * Makes ready what operations in `work` need, where that takes time; they compute nothing there,
   * and what they read is 0. Nothing else may be under way.
   */
  prepare?(work: () => void, onProgress?: (ready: number, of: number) => void): Promise<void>;

  /** Frees the memory. Nothing may be called afterwards. */
  dispose(): void;
}
