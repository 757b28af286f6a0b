// What an eviction policy is: a record that says who looks at the cache, what a look is worth, and
// what is kept whatever the score. It knows rows, queries and numbers; no model, no conversation,
// no budget. Policies are made by define.ts.
import type { Angles, Attending, Backend, Looks } from '../backend/backend.ts';
import type { LayerRows } from '../backend/cache.ts';
import type { Address, Scores, Tensor, Weight } from '../backend/tensor.ts';

/**
 * Whose queries rate the rows: nobody's, the block's last `count`, all of the block's (with
 * `ahead`: turned to the mean of that many coming positions), or a patched prompt's
 * (docs/algorithms.md, 'Patched prompts').
 */
export type Observer =
  | { readonly queries: 'none' }
  | { readonly queries: 'last'; readonly count: number }
  | { readonly queries: 'block'; readonly ahead?: number }
  | { readonly queries: 'patched'; readonly prompt: (typeof promptNames)[number] };

/** One layer's rows while they are rated. */
export interface LayerView {
  readonly layer: number;
  /** The rows, as operations take them. */
  readonly cached: LayerRows;
  /** Tokens of the conversation so far; a row's token number is below it. */
  readonly tokens: number;
  /**
   * The observers' queries [count, Hq * d], those of the newest `count` tokens unless patched. A
   * score may overwrite them.
   */
  readonly queries?: Tensor;
  readonly count: number;
  /** What becomes of their scores in the model. */
  readonly attending?: Attending | undefined;
  /**
   * What these queries' attention to these rows summed up to, where a patched prompt has just been
   * forwarded and it is known.
   */
  readonly looks?: Looks;
  /**
   * Rotations of the `count` queries to the mean over coming positions, where the observer asks for
   * them.
   */
  readonly ahead?: Angles;
  /** Rows at the end of each head that are kept whatever the score. */
  readonly recent: number;
  /** How many rows the layer keeps per kv head, sinks not counted. */
  readonly keeps: number;
  /** The layer's output projection [D, Hq * d], for value terms. */
  readonly output?: Weight;
  /** Three buffers, each with room for one number a row; a score may overwrite all of them. */
  readonly out: Address;
  readonly spare: Address;
  readonly extra: Address;
  readonly seed: number;
}

/**
 * Rates the rows of a layer, higher = keep. A head may get fewer scores than it has rows: the rows
 * at its end are then kept.
 */
export type Score = (view: LayerView, ops: Backend) => Scores;

export interface Policy {
  readonly name: string;
  /** One line for people, with the paper. */
  readonly summary: string;
  readonly observe: Observer;
  /**
   * What many looks at a row are worth: their mean, the largest, or the worst case of smoothed
   * looks with a floor (docs/algorithms.md, 'Defensive aggregation').
   */
  readonly aggregate: Aggregate;
  /** Looks are averaged over this many neighbouring rows (odd); 1 = not at all. */
  readonly pool: number;
  /**
   * 'projected': scores are weighted by what a row's value becomes in the output (CriticalKV). It
   * takes the rows' state.
   */
  readonly value: 'none' | 'projected';
  /**
   * 2: the rows that hold most of the mean attention are kept first, scores decide about the rest
   * (CriticalKV).
   */
  readonly stages: 1 | 2;
  /** How heads and layers share the budget where the caller does not say. */
  readonly heads: 'uniform' | 'adaptive';
  readonly layers: LayerSharing;
  /** Share of its uniform budget that each head keeps for certain under adaptive heads. */
  readonly safeguard: number;
  readonly protect: {
    /** Newest rows kept whatever the score, counted inside the budget. */
    readonly recent: number;
    /** First rows kept on top of the budget: at least this many. */
    readonly sinks: number;
  };
  /** False only where nothing is ever evicted. */
  readonly evicts: boolean;
  /**
   * True where scoring changes the rows' state, so that it must run on every block, full or not.
   */
  readonly accumulates: boolean;
  readonly score: Score;
  /** Whether `score` follows from the axes above; false where it is a formula of its own. */
  readonly composed: boolean;
}

export type PolicyDefinition = Pick<Policy, 'name' | 'summary'> &
  Partial<Omit<Policy, 'protect'>> & { readonly protect?: Partial<Policy['protect']> };

export const aggregates = ['mean', 'max', 'defensive'] as const;
export type Aggregate = (typeof aggregates)[number];

/**
 * 'uniform': equal layers; 'sensitivity': by the model's profile; 'pyramid': falling linearly with
 * depth; 'global': the best rows of all layers and heads together, whatever their place
 * (Layer-DefensiveKV).
 */
export const layerSharings = ['uniform', 'sensitivity', 'pyramid', 'global'] as const;
export type LayerSharing = (typeof layerSharings)[number];

/** Patched prompts by what they ask for. */
export const promptNames = ['repeat', 'summary', 'episode'] as const;
export const values = ['none', 'projected'] as const;
export const stageCounts = [1, 2] as const;
export const headSharings = ['uniform', 'adaptive'] as const;

/**
 * Widest smoothing, what observe_defensive() of assembly/defensive.ts takes: with 64 and more rows
 * its tiles of 64 would never move on. More than any paper uses.
 */
export const MOST_POOL = 31;
/** Most observers, and most rows that are protected: as many as the longest block has tokens. */
export const MOST_WINDOW = 1 << 16;
/** Most coming positions that queries are turned to the mean of: angles are summed one by one. */
export const MOST_AHEAD = 1 << 16;
