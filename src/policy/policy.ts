// What an eviction policy is: a record that says who looks at the cache, what a look is worth, and what is kept whatever the score.
// It knows rows, queries and numbers; no model, no conversation, no budget.
import type { Backend } from '../backend/backend.ts';
import type { RowType } from '../backend/dtype.ts';
import type { Address, HeadRows, Scores, Tensor } from '../backend/tensor.ts';

/** Whose queries rate the rows: nobody's, the block's last `count`, all of the block's, or a patched prompt's (algorithms, section 2). */
export type Observer =
  | { readonly queries: 'none' }
  | { readonly queries: 'last'; readonly count: number }
  | { readonly queries: 'block' }
  | { readonly queries: 'patched'; readonly prompt: 'repeat' | 'summary' | 'episode' };

/** One layer's rows while they are rated. */
export interface LayerView {
  readonly layer: number;
  readonly heads: readonly HeadRows[];
  readonly headDim: number;
  readonly rowType: RowType;
  /** Tokens of the conversation so far; a row's token number is below it. */
  readonly tokens: number;
  /** The observers' queries [count, Hq * d], those of the newest `count` tokens unless patched. */
  readonly queries?: Tensor;
  readonly count: number;
  /** Rows at the end of each head that are kept whatever the score. */
  readonly recent: number;
  /** Room for one number a row, and as much again. */
  readonly out: Address;
  readonly spare: Address;
  readonly seed: number;
}

/** Rates the rows of a layer, higher = keep. A head may get fewer scores than it has rows: the rows at its end are then kept. */
export type Score = (view: LayerView, ops: Backend) => Scores;

export interface Policy {
  readonly name: string;
  /** One line for people, with the paper. */
  readonly summary: string;
  readonly observe: Observer;
  readonly aggregate: 'mean' | 'max';
  /** Scores are averaged over this many neighbouring rows (odd); 1 = not at all. */
  readonly pool: number;
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
}

export type PolicyDefinition = Pick<Policy, 'name' | 'summary'> & Partial<Omit<Policy, 'protect'>> & { readonly protect?: Partial<Policy['protect']> };

/** Completes a definition: what is left out is neutral, and a policy with observers is scored by their attention. */
export function definePolicy(definition: PolicyDefinition): Policy {
  const policy = {
    observe: { queries: 'none' },
    aggregate: 'mean',
    pool: 1,
    evicts: true,
    accumulates: false,
    ...definition,
    protect: { recent: 0, sinks: 0, ...definition.protect },
  } as const;
  return { ...policy, score: definition.score ?? attentionScore(policy.observe.queries !== 'patched', policy.aggregate, policy.pool) };
}

/** Attention that the observers pay to each row before the protected ones, aggregated and pooled. */
function attentionScore(causal: boolean, aggregate: 'mean' | 'max', pool: number): Score {
  return (view, ops) => {
    if (!view.queries) throw new TypeError('a policy with observers was scored without their queries');
    const { heads, headDim, rowType, queries, count, recent } = view;
    const scores = ops.observe(view.out, heads, headDim, rowType, {
      queries,
      count,
      causal,
      aggregate,
      unscored: Math.min(recent, ...heads.map((h) => h.length)),
    });
    return pool > 1 ? ops.averagePool(view.spare, scores, pool) : scores;
  };
}
