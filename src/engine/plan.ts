// What a run will hold, decided before it begins: rows a layer, room for a block, scratch; and the bytes that are promised.
import type { RowType } from '../backend/dtype.ts';
import { type Budget, budgetRows, layerBudgets, pyramidBudgets } from '../cache/budget.ts';
import { cacheBytes } from '../cache/cache.ts';
import { type CacheShape, cacheRows } from '../cache/shape.ts';
import { snapshotBytes } from '../cache/snapshot.ts';
import { BudgetError } from '../errors.ts';
import { formatBytes } from '../math/format.ts';
import type { Transformer } from '../model/transformer.ts';
import type { LayerSharing, Policy } from '../policy/policy.ts';

export interface PlanOptions {
  readonly budget: Budget;
  readonly blockSize: number;
  readonly policy: Policy;
  readonly heads: 'uniform' | 'adaptive';
  readonly layers: LayerSharing;
  /** Similarity of each layer (engine/profile.ts), wanted by layers 'sensitivity'. */
  readonly sensitivity?: readonly number[];
  readonly alpha: number;
  readonly sinks: number;
  readonly safeguard: number;
  readonly rowType: RowType;
  readonly positions: 'original' | 'compact' | 'auto';
  /** Longest patched prompt, in tokens; 0 where the policy has none. */
  readonly promptTokens: number;
  /** Rows per kv head, out of the budget, that are kept free for what a question recalls (episode/recall.ts); 0 = none. */
  readonly recallRows: number;
  /** Snapshots kept in memory beside the resident cache. */
  readonly storedCaches: number;
  readonly seed: number;
}

export interface Plan extends PlanOptions {
  /** M: rows kept per kv head, sinks not counted, averaged over layers and heads; those for recall are part of it. */
  readonly rows: number;
  /** M_l, summing to layers * (M - recallRows). */
  readonly layerRows: readonly number[];
  /** What M_l shrinks to once positions are compact: S + M_l + B + P within the model's context length. */
  readonly compactRows: readonly number[];
  /** Position at which kept rows end once positions are compact. */
  readonly compactBase: number;
  readonly shape: CacheShape;
  /** Rows of the fullest layer there may be: how many scores there are at once, of a layer and (where layers are selected from together) of all. */
  readonly layerCapacity: number;
  /** Everything: cache at its fullest, working memory, stored caches in memory. */
  readonly promisedBytes: number;
  readonly promisedCacheBytes: number;
  /** Working memory: activations, scratch, scores. */
  readonly promisedFixedBytes: number;
}

/** One f32 or i32 a row: scores, smoothed scores, a patched prompt's looks so far, scores with protection, kept indices, and what a score needs aside. */
export const ROW_BUFFERS = 6;
/** Rotations by recent differences of positions that are kept. A prime spreads neighbours; 1021 rows of 64 f32 are 256 KiB. */
export const SHIFT_SLOTS = 1021;

/** Decides. Throws BudgetError where the budget holds too little. */
export function planRun(transformer: Transformer, options: PlanOptions): Plan {
  const { layers, kvHeads, headDim, contextLength, ropeDims } = transformer.config;
  const { blockSize: B, promptTokens: P, sinks: S, rowType, policy } = options;
  const share = (rows: number): number[] => {
    if (options.layers === 'pyramid') return pyramidBudgets(rows, layers);
    if (options.layers === 'sensitivity' && options.sensitivity) return layerBudgets(rows, options.sensitivity, options.alpha);
    return new Array<number>(layers).fill(rows);
  };
  // recall never takes more than half of the budget: what is recalled needs what it is about
  const recallOf = (rows: number) => (policy.evicts ? Math.min(options.recallRows, rows >> 1) : 0);
  const shapeOf = (rows: number): CacheShape => ({
    kvHeads,
    headDim,
    rowType,
    keptRows: share(rows - recallOf(rows)).map((m) => m + S),
    room: B + P + recallOf(rows),
    pooled: options.layers === 'global',
  });
  const capacityOf = (shape: CacheShape) => (shape.pooled ? cacheRows(shape) : Math.max(...shape.keptRows.map((kept) => kvHeads * (kept + shape.room))));
  const aheadBytes = policy.observe.queries === 'block' && policy.observe.ahead ? B * ropeDims * 4 : 0;
  const fixedBytes = (shape: CacheShape) =>
    transformer.workspaceBytes(Math.max(B, P), B) + capacityOf(shape) * 4 * ROW_BUFFERS + SHIFT_SLOTS * ropeDims * 4 + aheadBytes;
  const promised = (rows: number): number => {
    const shape = shapeOf(rows);
    return cacheBytes(shape) + fixedBytes(shape) + options.storedCaches * snapshotBytes(shape, layers * kvHeads * (rows + S));
  };
  const within = contextLength - S - B - P - options.recallRows;
  if (within < 1) {
    throw new BudgetError(
      `blocks of ${B} with patched prompts of up to ${P} tokens leave no room in a context of ${contextLength}: lower blockSize, promptTokens or recall`,
    );
  }
  // bytes may hold more rows than a context ever has: no use in reserving them
  const most = policy.evicts ? contextLength : Number.POSITIVE_INFINITY;
  const rows = 'bytes' in options.budget ? Math.min(budgetRows(options.budget, promised), most) : budgetRows(options.budget, promised);
  const recallRows = recallOf(rows);
  const layerRows = share(rows - recallRows);
  const shape = shapeOf(rows);
  return {
    ...options,
    rows,
    recallRows,
    layerRows,
    compactRows: layerRows.map((m) => Math.min(m, within)),
    compactBase: Math.min(within + S, Math.max(...layerRows) * (shape.pooled ? kvHeads * layers : options.heads === 'adaptive' ? kvHeads : 1) + S),
    shape,
    layerCapacity: capacityOf(shape),
    promisedBytes: promised(rows),
    promisedCacheBytes: cacheBytes(shape),
    promisedFixedBytes: fixedBytes(shape),
  };
}

/** The error of a conversation that outgrows a policy that keeps everything. */
export function fullError(plan: Plan, tokens: number): BudgetError {
  return new BudgetError(
    `policy 'full' keeps every token: ${tokens} do not fit into ${plan.rows + plan.sinks} (${formatBytes(plan.promisedBytes)} promised). ` +
      'Raise the budget to the length of the conversation, or choose a policy that evicts.',
  );
}
