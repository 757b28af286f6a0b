// A backend whose memory this thread can look into: what `wasm` and `reference` have in common, and
// nothing outside backend/ sees.
import type { Angles, Backend, Selection } from '../backend.ts';
import type { LayerRows } from '../cache.ts';
import type { RowSide, RowType } from '../dtype.ts';
import type { Address, Scores, Tensor, Weight } from '../tensor.ts';

/** The rows of one kv head: keys and values [length, d] of a row type. */
export interface HeadRows {
  keys: Address;
  values: Address;
  /**
   * What rows that do not stand alone name by number (groups.ts): grids lie before it, rows that
   * are not rounded behind it. 0 where rows stand alone.
   */
  rest: Address;
  /** i32 [length]: each row's token, counted from the conversation's first. */
  tokens: Address;
  /** f32 [length]: what a policy accumulates over blocks; 0 where it accumulates nothing. */
  state: Address;
  /**
   * i32 [length]: the rotary position that each key was stored with; only where rows are of few
   * bits (cache.ts), else 0.
   */
  positions?: Address;
  length: number;
}

/** Where rows of keys and values lie, and what they name. */
export type RowPlaces = Readonly<Pick<HeadRows, RowSide | 'rest'>>;

/** Rows whose lengths this thread knows. */
export interface CpuRows extends LayerRows {
  readonly heads: readonly HeadRows[];
}

/** Scores whose number is known: head h has counts[h]. */
export interface CpuScores extends Scores {
  readonly counts: readonly number[];
}

/** What stays of a head: ascending indices, i32 [count] at an address. */
export interface Kept {
  readonly rows: Address;
  readonly count: number;
}

/** Views of memory, valid until the next allocation: used at once, never kept. */
export interface Views {
  bytes(address: Address, count: number): Uint8Array;
  floats(address: Address, count: number): Float32Array;
  ints(address: Address, count: number): Int32Array;
}

/** Rows one by one, for the cache that lies in such a memory. */
export interface RowKernels {
  /** Rotates n cached keys, of a type whose rows stand alone, by one row of angles. */
  ropeShift(keys: Address, angles: Angles, n: number, d: number, type: RowType): void;
  /** Stores head h of x [n, heads * d] as rows of a cache, of a type whose rows stand alone. */
  storeRows(rows: Address, x: Tensor, head: number, n: number, d: number, type: RowType): void;
  /** Widens rows list[0 .. n), list i32, of a type whose keys share grids: f32 [n, d] at out. */
  gatherRows(
    out: Address,
    rows: RowPlaces,
    list: Address,
    n: number,
    d: number,
    type: RowType,
    side: RowSide,
  ): void;
  /**
   * Rounds x f32 [n, d] and stores it as rows list[0 .. n), n > 0, of such a type: keys together,
   * on grid number `grid`, which is written, values each by itself.
   */
  groupRows(
    rows: RowPlaces,
    list: Address,
    x: Address,
    grid: number,
    n: number,
    d: number,
    type: RowType,
    side: RowSide,
  ): void;
  /** rows[i] = rows[kept[i]], i < count; kept ascends. */
  compactRows(rows: Address, kept: Address, count: number, rowBytes: number): void;
  /**
   * Indices of the min(k, n) largest of n numbers, ascending, ties to the lower: i32 at kept.
   * Returns how many.
   */
  topK(kept: Address, scores: Address, n: number, k: number): number;
  /**
   * v[i] = mean over g of norm1(V[i] Wo_{h,g}) for rows from[h] and later; wo [D, Hq * d] is the
   * output projection, Wo_{h,g} a query head's slice.
   */
  valueNorms(out: Address, rows: LayerRows, from: readonly number[], wo: Weight): CpuScores;
}

/** Steps of k-means (kmeans.ts). */
export interface ClusterKernels {
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

export interface CpuBackend extends Backend, Views, RowKernels, ClusterKernels {}

/** What is kept of some heads. */
export interface CpuSelection extends Selection {
  readonly heads: readonly Kept[];
}

/** What a handle is here. */
export const cpuRows = (rows: LayerRows): CpuRows => rows as CpuRows;
export const cpuSelection = (selection: Selection): readonly Kept[] =>
  (selection as CpuSelection).heads;
export const cpuScores = (scores: Scores): CpuScores => scores as CpuScores;

/** Rows at the end of each head that get no score: as many as every head has. */
export function unscoredOf(heads: readonly HeadRows[], unscored = 0): number {
  return Math.min(unscored, ...heads.map((head) => head.length));
}

/** How many numbers there are. */
export function total({ counts }: CpuScores): number {
  return counts.reduce((a, b) => a + b, 0);
}

/** Scores of each head's rows from[h] and later: `rate` writes `count` of them at an address. */
export function scoresFrom(
  out: Address,
  heads: readonly HeadRows[],
  from: readonly number[],
  rate: (head: HeadRows, to: Address, count: number, h: number) => void,
): CpuScores {
  let to = out;
  const counts = heads.map((head, h) => {
    const count = Math.max(0, head.length - from[h]);
    rate(head, to, count, h);
    to += count * 4;
    return count;
  });
  return { address: out, counts };
}
