// What a run will hold, decided before it begins: rows a layer, room for a block, scratch; and the
// bytes that are promised.
import { type CacheShape, headCount, layerShapes } from '../backend/cache-shape.ts';
import { budgetRows } from '../cache/budget.ts';
import { BudgetError, OptionError } from '../errors.ts';
import { formatBytes } from '../math/format.ts';
import { identityOf } from '../model/adapter/spec.ts';
import type { ModelConfig } from '../model/config.ts';
import type { LayerRange } from '../model/tensors.ts';
import { keptRows, windowRows } from './kept-rows.ts';
import { capacityOf, cutShape, planBytes } from './plan-bytes.ts';
import type { Placement, PlanOptions } from './plan-options.ts';

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
  /** Of all of it, what is on a device; 0: nothing is. */
  readonly promisedDeviceBytes: number;
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
  /** What the model's adapters are told from others by (adapter/spec.ts); 0 for none. */
  readonly adapters: number;
}

/**
 * Plans a run. Throws BudgetError where the budget holds too little, OptionError where layers in
 * different workers are to compete for one budget.
 */
export function planRun(placement: Placement, options: PlanOptions): Plan {
  const { config } = placement;
  checkTogether(placement, options);
  const windows = windowRows(config, options);
  const keptOf = (rows: number) => keptRows(config, options, windows, rows);
  const bytesOf = planBytes(placement, options);
  const within = rowsInContext(config, options);
  const rows = rowsOf(config, options, (count) => bytesOf(keptOf(count).shape).totalBytes);
  const { recallRows, layerRows, shape } = keptOf(rows);
  const { cacheBytes, fixedBytes, deviceBytes, totalBytes, pieceBytes, joinedRows } =
    bytesOf(shape);
  return {
    ...options,
    first: 0,
    rows,
    recallRows,
    slides: windows.map((kept) => kept !== undefined),
    layerRows,
    compactRows: layerRows.map((m) => Math.min(m, within)),
    compactBase: Math.min(within, fullestHead(options, shape, layerRows)) + options.sinks,
    shape,
    layerCapacity: capacityOf(shape),
    promisedBytes: totalBytes,
    promisedCacheBytes: cacheBytes,
    promisedDeviceBytes: deviceBytes,
    promisedFixedBytes: fixedBytes,
    pieceBytes,
    joinedRows,
    adapters: identityOf(config.adapters),
  };
}

/** Throws OptionError where layers that are apart are to share what they keep. */
function checkTogether({ layerRanges }: Placement, { layers: sharing }: PlanOptions): void {
  if (sharing === 'global' && layerRanges.length > 1) {
    throw new OptionError(
      `layers 'global' chooses from the rows of all layers, and these are in ` +
        `${layerRanges.length} workers: load the model with pipeline: 1, or share layers in ` +
        'another way',
    );
  }
}

/** Rows that may be kept within the model's context length. Throws BudgetError for none. */
function rowsInContext({ contextLength }: ModelConfig, options: PlanOptions): number {
  const { blockSize: B, promptTokens: P, sinks: S, recallRows } = options;
  const within = contextLength - S - B - P - recallRows;
  if (within < 1) {
    throw new BudgetError(
      `blocks of ${B} with patched prompts of up to ${P} tokens leave no room in a context of ` +
        `${contextLength}: lower blockSize, promptTokens or recall`,
    );
  }
  return within;
}

/** Rows that the budget holds, where so many take the bytes that `promised` says. */
function rowsOf(
  { contextLength }: ModelConfig,
  { budget, policy }: PlanOptions,
  promised: (rows: number) => number,
): number {
  const rows = budgetRows(budget, promised);
  // bytes may hold more rows than a context ever has: no use in reserving them
  return 'bytes' in budget && policy.evicts ? Math.min(rows, contextLength) : rows;
}

/** Most rows that one head may keep, sinks not counted. */
function fullestHead(
  { heads }: PlanOptions,
  shape: CacheShape,
  layerRows: readonly number[],
): number {
  if (shape.pooled) return Math.max(...layerRows) * headCount(shape);
  const sharing = (kvHeads: number) => (heads === 'adaptive' ? kvHeads : Math.min(1, kvHeads));
  return Math.max(
    ...layerShapes(shape).map(({ kvHeads }, layer) => layerRows[layer] * sharing(kvHeads)),
  );
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

/** The error of a conversation that outgrows a policy that keeps everything. */
export function fullError(plan: Plan, tokens: number): BudgetError {
  return new BudgetError(
    `policy 'full' keeps every token: ${tokens} do not fit into ${plan.rows + plan.sinks} ` +
      `(${formatBytes(plan.promisedBytes)} promised). ` +
      'Raise the budget to the length of the conversation, or choose a policy that evicts.',
  );
}
