// Cached keys and values of every layer and kv head, as those who use them see them: rows are
// appended, taken back and compacted in place, and their order never changes. How many rows each
// head has may be known to the device alone; what all heads of a range have together follows from
// what was asked for (engine/ledger.ts). It knows no policy: it is told which rows to keep.
//
//   one pool of rows; a layer owns a range of it, its heads follow one another inside, each with
//   the same room behind it:
//
//   |<------------- layer l: Hkv * (kept_l + room) rows ------------->|
//   [ head 0: length rows | room ][ head 1: length rows | room ] ...
//
// Where layers compete for the budget (`pooled`) there is one range, of all layers' heads.
import type { Angles, Selection } from './backend.ts';
import type { CacheShape } from './cache-shape.ts';
import type { RowType } from './dtype.ts';
import type { State } from './state.ts';
import type { Address, QueriesKeysValues, Tensor } from './tensor.ts';

/** The rows of some heads, one layer's or all: a handle that operations take. */
export interface LayerRows {
  readonly kvHeads: number;
  readonly headDim: number;
  readonly rowType: RowType;
}

/** Where tokens stand: rotary position and number of the first. */
export interface Place {
  readonly position: number;
  readonly token: number;
}

/** What queries, keys and values of new tokens go through, head by head, in this order. */
export interface HeadSteps {
  readonly queryHeads: number;
  /** RMS norms [d] of each head. */
  readonly qNorm?: Tensor | undefined;
  readonly kNorm?: Tensor | undefined;
  /** Whether each head of v is normed, too, without weights. */
  readonly vNorm?: boolean | undefined;
  readonly normEps: number;
  /** Token i is turned by row i. None: they know no positions. */
  readonly angles?: Angles | undefined;
  /** What queries are turned by. Default: as keys are. */
  readonly queryAngles?: Angles | undefined;
  /** [d]: what each head of the queries is multiplied by. */
  readonly queryWeight?: Tensor | undefined;
  /** What queries are multiplied by. */
  readonly queryScale?: number | undefined;
}

/** Which rows of a head are meant: tokens [begin, end). */
export type TokenSpan = readonly [begin: number, end: number];

/**
 * Rotations by differences of positions, for a backend that finds these itself: a turn by 256 i + j
 * is row i of `high` and row j of `low`, one after the other; a turn back is the opposite of both.
 */
export interface TurnTables extends Omit<Angles, 'address'> {
  /** f32 [256, rotated]: row j turns by j. */
  readonly low: Address;
  /** f32 [*, rotated]: row i turns by 256 i, as far as a context goes. */
  readonly high: Address;
}

/** Positions that rows are turned to before they move together. */
export interface Turning {
  /** Where the last row that stays ends up, plus one; those before it take the positions before. */
  readonly base: number;
  /**
   * Where the rows of a head end now, if they follow one another; undefined where each is at the
   * position of its token.
   */
  readonly end?: number;
  /** The rotation of a layer's keys by a difference of positions; undefined where there is none. */
  readonly anglesOf: (layer: number) => ((shift: number) => Angles) | undefined;
  /** The same as tables. A backend asks for what its limits name (`turns`), never for the other. */
  readonly tablesOf: (layer: number) => TurnTables | undefined;
}

/** The state of layers with attention: their cached rows. */
export interface Cache extends State {
  readonly shape: CacheShape;
  readonly layers: number;
  /** The rows of a layer, but for the last `unseen` of each head. */
  rows(layer: number, unseen?: number): LayerRows;
  /** Those of all layers. */
  allRows(): LayerRows;
  /**
   * Appends k and v [T, Hkv * d] of tokens number `token` .., k rotated to positions `position` ..,
   * to every head of a layer. Throws RangeError past the room.
   */
  append(layer: number, k: Tensor, v: Tensor, T: number, token: number, position?: number): void;
  /**
   * The same for k and v as a product left them: q and k go through `steps` first, q in place. What
   * is in k afterwards is undefined.
   */
  appendTurned(
    layer: number,
    qkv: QueriesKeysValues,
    T: number,
    place: Place,
    steps: HeadSteps,
  ): void;
  /**
   * Keeps the selected rows of a layer, in their order, and gives every head its room again; turned
   * first, where that is asked for. Throws RangeError where more is kept than the layer's share.
   */
  compact(layer: number, kept: Selection, turning?: Turning): void;
  /** The same for the heads of all layers: the one way where they share a range. */
  compactAll(kept: Selection, turning?: Turning): void;
  /** Token numbers of a layer's rows, head by head, ascending. */
  tokens(layer: number): Promise<Int32Array[]>;
  /** How many rows of some layers there are of the tokens of each span. */
  held(spans: readonly TokenSpan[], layers: readonly number[]): Promise<number[]>;
  /** Numbers of the last `count` rows of a head's keys, as they are: for rows of f32. */
  newestKeys(layer: number, head: number, count: number): Promise<Float32Array>;
}
