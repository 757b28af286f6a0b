// What an eviction policy is: a record that says who looks at the cache, what a look is worth, and what is kept whatever the score.
// It knows rows, queries and numbers; no model, no conversation, no budget.
import type { Angles, Backend, Looks } from '../backend/backend.ts';
import type { RowType } from '../backend/dtype.ts';
import type { Address, HeadRows, Scores, Tensor, Weight } from '../backend/tensor.ts';
import { attentionScore } from './attention.ts';

/**
 * Whose queries rate the rows: nobody's, the block's last `count`, all of the block's (with `ahead`: and how to turn them to the mean of that many
 * coming positions), or a patched prompt's (algorithms, section 2).
 */
export type Observer =
  | { readonly queries: 'none' }
  | { readonly queries: 'last'; readonly count: number }
  | { readonly queries: 'block'; readonly ahead?: number }
  | { readonly queries: 'patched'; readonly prompt: 'repeat' | 'summary' | 'episode' };

/** One layer's rows while they are rated. */
export interface LayerView {
  readonly layer: number;
  readonly heads: readonly HeadRows[];
  readonly headDim: number;
  readonly rowType: RowType;
  /** Tokens of the conversation so far; a row's token number is below it. */
  readonly tokens: number;
  /** The observers' queries [count, Hq * d], those of the newest `count` tokens unless patched. Nobody needs them afterwards: they may be changed. */
  readonly queries?: Tensor;
  readonly count: number;
  /** What these queries' attention to these rows summed up to, where a patched prompt has just been forwarded and it is known. */
  readonly looks?: Looks;
  /** Rotations of the `count` queries to the mean over coming positions, where the observer asks for them. */
  readonly ahead?: Angles;
  /** Rows at the end of each head that are kept whatever the score. */
  readonly recent: number;
  /** Rows the layer keeps per kv head, sinks not counted. */
  readonly rows: number;
  /** The layer's output projection [D, Hq * d], for value terms. */
  readonly output?: Weight;
  /** Room for one number a row, and as much again, and once more. */
  readonly out: Address;
  readonly spare: Address;
  readonly extra: Address;
  readonly seed: number;
}

/** Rates the rows of a layer, higher = keep. A head may get fewer scores than it has rows: the rows at its end are then kept. */
export type Score = (view: LayerView, ops: Backend) => Scores;

export interface Policy {
  readonly name: string;
  /** One line for people, with the paper. */
  readonly summary: string;
  readonly observe: Observer;
  /** What many looks at a row are worth: their mean, the largest, or the worst case of smoothed looks with a floor (DefensiveKV, section 5.1). */
  readonly aggregate: Aggregate;
  /** Looks are averaged over this many neighbouring rows (odd); 1 = not at all. */
  readonly pool: number;
  /** 'projected': scores are weighted by what a row's value becomes in the output (CriticalKV). It takes the rows' state. */
  readonly value: 'none' | 'projected';
  /** 2: the rows that hold most of the mean attention are kept first, scores decide about the rest (CriticalKV). */
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
  /** True where scoring changes the rows' state, so that it must run on every block, full or not. */
  readonly accumulates: boolean;
  readonly score: Score;
  /** Whether `score` follows from the axes above; false where it is a formula of its own. */
  readonly composed: boolean;
}

export type PolicyDefinition = Pick<Policy, 'name' | 'summary'> & Partial<Omit<Policy, 'protect'>> & { readonly protect?: Partial<Policy['protect']> };

export const aggregates = ['mean', 'max', 'defensive'] as const;
export type Aggregate = (typeof aggregates)[number];

/**
 * 'uniform': equal layers; 'sensitivity': by the model's profile; 'pyramid': falling linearly with depth; 'global': the best rows of all layers and
 * heads together, whatever their place (Layer-DefensiveKV).
 */
export const layerSharings = ['uniform', 'sensitivity', 'pyramid', 'global'] as const;
export type LayerSharing = (typeof layerSharings)[number];

/**
 * Completes a definition: what is left out is neutral, and a policy with observers is scored by their attention. A definition that begins with another
 * policy's (`...snapkv`) is composed where that one is.
 */
export function definePolicy(definition: PolicyDefinition): Policy {
  const policy = {
    observe: { queries: 'none' },
    aggregate: 'mean',
    pool: 1,
    value: 'none',
    stages: 1,
    heads: 'uniform',
    layers: 'uniform',
    safeguard: 0.2,
    evicts: true,
    accumulates: false,
    ...definition,
    protect: { recent: 0, sinks: 0, ...definition.protect },
  } as const;
  const composed = definition.composed ?? definition.score === undefined;
  return { ...policy, score: composed ? attentionScore(policy) : definition.score!, composed };
}
