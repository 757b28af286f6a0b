// What a run will hold, decided before it begins: rows a layer, room for a block, scratch; and the
// bytes that are promised.
import type { RowType } from '../backend/dtype.ts';
import { type Budget, budgetRows, layerBudgets, pyramidBudgets } from '../cache/budget.ts';
import { type CacheShape, cacheRowBytes, cacheRows } from '../backend/cache-shape.ts';
import { storedBytes } from '../cache/stored.ts';
import { BudgetError, OptionError } from '../errors.ts';
import { formatBytes } from '../math/format.ts';
import type { Backend } from '../backend/backend.ts';
import type { ModelConfig } from '../model/config.ts';
import { attentionIn } from '../model/blocks/registry.ts';
import type { LayerRange } from '../model/tensors.ts';
import { workspaceBytes } from '../model/workspace.ts';
import type { LayerSharing, Policy } from '../policy/policy.ts';
import { pieceBytes, savedBytes } from './saved.ts';
import { turnBytes } from './turns.ts';

/** Where layers are. */
export interface Placement {
  readonly config: ModelConfig;
  /** The backend of this thread: plans ask it for sizes, and k-means runs on it. */
  readonly backend: Backend;
  /** Ranges of layers, first to last: one, or one for each worker. */
  readonly stages: readonly LayerRange[];
  /** Blocks that may be under way at once. */
  readonly depth: number;
}

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
  /**
   * Rows per kv head, out of the budget, that are kept free for what a question recalls
   * (episode/recall.ts); 0 = none.
   */
  readonly recallRows: number;
  /** States of episodes that are kept in memory beside the resident cache. */
  readonly storedCaches: number;
  readonly seed: number;
}

export interface Plan extends PlanOptions {
  /** Number of the first layer that follows this plan: 0, unless it is part of another (partOf). */
  readonly first: number;
  /**
   * M: rows kept per kv head, sinks not counted, averaged over layers and heads; those for recall
   * are part of it.
   */
  readonly rows: number;
  /** Layers that see a window of the text, and keep its rows whatever the policy says. */
  readonly slides: readonly boolean[];
  /** M_l, summing to layers * (M - recallRows) over those that do not slide. */
  readonly layerRows: readonly number[];
  /** M_l once positions are compact, when S + M_l + B + P must fit into the context length. */
  readonly compactRows: readonly number[];
  /**
   * Where the next token stands once positions are compact: one behind the last row that was kept.
   */
  readonly compactBase: number;
  readonly shape: CacheShape;
  /**
   * Most rows that are scored at once: those of the fullest layer, or of all layers where they are
   * selected from together.
   */
  readonly layerCapacity: number;
  /** Everything: cache at its fullest, working memory, stored caches in memory. */
  readonly promisedBytes: number;
  readonly promisedCacheBytes: number;
  /**
   * Working memory: activations, scratch, scores, and (with episodes) what goes to a store and
   * comes back.
   */
  readonly promisedFixedBytes: number;
  /**
   * Bytes of stored states that are read or written at a time, and rows of a head that can be
   * joined with another's.
   */
  readonly pieceBytes: number;
  readonly joinedRows: number;
}

/**
 * Buffers of one f32 or i32 for each row that is scored: scores, smoothed scores, scores with
 * protection, kept indices, room for a score to work in, and a patched prompt's scores so far.
 */
export const rowBuffers = ['scores', 'smoothed', 'rated', 'kept', 'aside', 'looks'] as const;

/**
 * Plans a run. Throws BudgetError where the budget holds too little, OptionError where layers in
 * different workers are to compete for one budget.
 */
export function planRun(placement: Placement, options: PlanOptions): Plan {
  const { config, backend, stages, depth } = placement;
  const { layers, kvHeads, headDim, contextLength, width } = config;
  const { blockSize: B, promptTokens: P, sinks: S, rowType, policy } = options;
  if (options.layers === 'global' && stages.length > 1) {
    throw new OptionError(
      `layers 'global' chooses from the rows of all layers, and these are in ${stages.length} ` +
        `workers: load the model with pipeline: 1, or share layers in another way`,
    );
  }
  const windows = windowRows(config, options);
  const share = (rows: number) => shareRows(options, rows, windows);
  // recalled text needs its context, so recall takes half of the budget at most
  const recallOf = (rows: number) => (policy.evicts ? Math.min(options.recallRows, rows >> 1) : 0);
  const shapeOf = (rows: number): CacheShape => ({
    kvHeads,
    headDim,
    rowType,
    keptRows: share(rows - recallOf(rows)).map((m) => m + S),
    room: B + P + recallOf(rows),
    pooled: options.layers === 'global',
  });
  const { observe } = policy;
  const turnsAhead = observe.queries === 'block' && observe.ahead !== undefined;
  const workBytes =
    workspaceBytes(config, backend, Math.max(B, P), B) + turnBytes(config, turnsAhead ? B : 0);
  const scoreBytes = (shape: CacheShape) => capacityOf(shape) * 4 * rowBuffers.length;
  const episodic = observe.queries === 'patched' && observe.prompt === 'episode';
  const keptRows = (shape: CacheShape) =>
    kvHeads * shape.keptRows.reduce((sum, kept) => sum + kept, 0);
  const stateBytes = (shape: CacheShape) => storedBytes(shape, keptRows(shape));
  const savedPlan = (shape: CacheShape) => ({
    pieceBytes: pieceBytes(stateBytes(shape), cacheRowBytes(headDim, rowType)),
    joinedRows: shape.pooled
      ? keptRows(shape)
      : Math.max(...shape.keptRows) * (options.heads === 'adaptive' ? kvHeads : 1),
  });
  const sumStages = (shape: CacheShape, of: (part: CacheShape) => number) =>
    stages.reduce((sum, stage) => sum + of(cutShape(shape, stage)), 0);
  // what is between two stages: hidden states of blocks and their prompts
  const underWayBytes = stages.length > 1 ? depth * (B + P) * width * 4 : 0;
  const fixedBytes = (shape: CacheShape) =>
    sumStages(shape, (part) => workBytes + scoreBytes(part)) +
    underWayBytes +
    (episodic ? savedBytes(shape, savedPlan(shape)) : 0);
  const promised = (rows: number): number => {
    const shape = shapeOf(rows);
    return (
      sumStages(shape, backend.cacheBytes) +
      fixedBytes(shape) +
      options.storedCaches * stateBytes(shape)
    );
  };
  const within = contextLength - S - B - P - options.recallRows;
  if (within < 1) {
    throw new BudgetError(
      `blocks of ${B} with patched prompts of up to ${P} tokens leave no room in a context of ` +
        `${contextLength}: lower blockSize, promptTokens or recall`,
    );
  }
  // a layer never holds more rows than the context has tokens
  const most = policy.evicts ? contextLength : Number.POSITIVE_INFINITY;
  const rows =
    'bytes' in options.budget
      ? Math.min(budgetRows(options.budget, promised), most)
      : budgetRows(options.budget, promised);
  const recallRows = recallOf(rows);
  const layerRows = share(rows - recallRows);
  const shape = shapeOf(rows);
  return {
    ...options,
    first: 0,
    rows,
    recallRows,
    slides: windows.map((kept) => kept !== undefined),
    layerRows,
    compactRows: layerRows.map((m) => Math.min(m, within)),
    compactBase: Math.min(
      within + S,
      Math.max(...layerRows) *
        (shape.pooled ? kvHeads * layers : options.heads === 'adaptive' ? kvHeads : 1) +
        S,
    ),
    shape,
    layerCapacity: capacityOf(shape),
    promisedBytes: promised(rows),
    promisedCacheBytes: sumStages(shape, backend.cacheBytes),
    promisedFixedBytes: fixedBytes(shape),
    ...savedPlan(shape),
  };
}

/**
 * Rows that layers with a window keep per kv head, sinks counted; undefined for the others, and
 * where nothing is evicted. Beside the window there is a block: its tokens may be taken back and
 * forwarded again, and the first of them sees a whole window then.
 */
function windowRows(
  { layerSpecs, contextLength }: ModelConfig,
  { policy, blockSize, layers }: PlanOptions,
): (number | undefined)[] {
  const rows = layerSpecs.map((layer) => {
    const window = attentionIn(layer)?.window;
    if (window === undefined || !policy.evicts) return undefined;
    return Math.min(window - 1 + blockSize, contextLength);
  });
  if (layers === 'global' && rows.some((kept) => kept !== undefined)) {
    throw new OptionError(
      `layers 'global' chooses from the rows of all layers, and some of this model's see a ` +
        `window of the text, whose rows are kept whatever they score: share layers in another ` +
        `way, such as layers 'uniform'`,
    );
  }
  return rows;
}

/** M_l, where layers without a window keep `rows` on average. */
function shareRows(
  { layers, sensitivity, alpha, sinks }: PlanOptions,
  rows: number,
  windows: readonly (number | undefined)[],
): number[] {
  const isShared = windows.map((kept) => kept === undefined);
  const count = isShared.filter(Boolean).length;
  const similarity = sensitivity?.filter((_, layer) => isShared[layer]);
  const shared =
    layers === 'pyramid'
      ? pyramidBudgets(rows, count)
      : layers === 'sensitivity' && similarity
        ? layerBudgets(rows, similarity, alpha)
        : new Array<number>(count).fill(rows);
  let next = 0;
  return windows.map((kept) => (kept === undefined ? shared[next++] : Math.max(0, kept - sinks)));
}

/** The part of a plan that layers [first, end) follow. */
export function partOf(plan: Plan, range: LayerRange): Plan {
  const cut = (rows: readonly number[]) => rows.slice(range.first, range.end);
  const shape = cutShape(plan.shape, range);
  return {
    ...plan,
    first: range.first,
    shape,
    slides: plan.slides.slice(range.first, range.end),
    layerRows: cut(plan.layerRows),
    compactRows: cut(plan.compactRows),
    layerCapacity: capacityOf(shape),
  };
}

const cutShape = (shape: CacheShape, { first, end }: LayerRange): CacheShape => ({
  ...shape,
  keptRows: shape.keptRows.slice(first, end),
});

/** Rows of the fullest layer, or of all where they are selected from together. */
const capacityOf = (shape: CacheShape): number =>
  shape.pooled
    ? cacheRows(shape)
    : Math.max(...shape.keptRows.map((kept) => shape.kvHeads * (kept + shape.room)));

/** The error of a conversation that outgrows a policy that keeps everything. */
export function fullError(plan: Plan, tokens: number): BudgetError {
  return new BudgetError(
    `policy 'full' keeps every token: ${tokens} do not fit into ${plan.rows + plan.sinks} ` +
      `(${formatBytes(plan.promisedBytes)} promised). ` +
      'Raise the budget to the length of the conversation, or choose a policy that evicts.',
  );
}
