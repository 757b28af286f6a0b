// What a plan keeps: how the rows of a budget are shared out over layers, and the shape of the
// cache that holds them.
import type { CacheShape } from '../backend/cache-shape.ts';
import { layerBudgets, pyramidBudgets } from '../cache/budget.ts';
import { OptionError } from '../errors.ts';
import { attentionIn, fixedBytesIn, rowsIn } from '../model/blocks/registry.ts';
import type { ModelConfig } from '../model/config.ts';
import type { PlanOptions } from './plan-options.ts';

/**
 * Rows of a layer with a window, by windowRows(), 0 of one that keeps none; undefined for a layer
 * that sees the whole text.
 */
export type WindowRows = readonly (number | undefined)[];

export interface KeptRows {
  /** Rows per kv head that are kept free for recall, out of those of the budget. */
  readonly recallRows: number;
  /** Rows per kv head that each layer keeps, sinks not counted. */
  readonly layerRows: readonly number[];
  readonly shape: CacheShape;
}

/** What is kept where layers without a window keep `rows` per kv head on average. */
export function keptRows(
  { layerSpecs }: ModelConfig,
  options: PlanOptions,
  windows: WindowRows,
  rows: number,
): KeptRows {
  const { blockSize, promptTokens, sinks, policy, rowType, layers: sharing } = options;
  // recall never takes more than half of the budget: what is recalled needs what it is about
  const recallRows = policy.evicts ? Math.min(options.recallRows, rows >> 1) : 0;
  const layerRows = shareRows(options, rows - recallRows, windows);
  const layers = layerSpecs.map(rowsIn);
  const headDim = layers.find(({ kvHeads }) => kvHeads > 0)?.headDim ?? 0;
  const fixedBytes = layerSpecs.map(fixedBytesIn);
  const shape = {
    kvHeads: layers.map((layer) => layer.kvHeads),
    headDim: layers.map((layer) => (layer.kvHeads > 0 ? layer.headDim : headDim)),
    ...(fixedBytes.some((bytes) => bytes > 0) && { fixedBytes }),
    rowType,
    keptRows: layerRows.map((m) => m + sinks),
    room: blockSize + promptTokens + recallRows,
    pooled: sharing === 'global',
  };
  return { recallRows, layerRows, shape };
}

/**
 * Rows that layers with a window keep per kv head, sinks counted; undefined for the others, and
 * where nothing is evicted. Beside the window there is a block: its tokens may be taken back and
 * forwarded again, and the first of them sees a whole window then.
 */
export function windowRows(
  { layerSpecs, contextLength }: ModelConfig,
  { policy, blockSize, layers: sharing }: PlanOptions,
): WindowRows {
  const rows = layerSpecs.map((layer) => {
    if (rowsIn(layer).kvHeads === 0) return 0;
    const window = attentionIn(layer)?.window;
    if (window === undefined || !policy.evicts) return undefined;
    return Math.min(window - 1 + blockSize, contextLength);
  });
  if (sharing === 'global' && rows.some((kept) => kept !== undefined && kept > 0)) {
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
  { layers: sharing, sensitivity, alpha, sinks }: PlanOptions,
  rows: number,
  windows: WindowRows,
): number[] {
  const isShared = windows.map((kept) => kept === undefined);
  const count = isShared.filter(Boolean).length;
  const similarity = sensitivity?.filter((_, layer) => isShared[layer]);
  const shared =
    sharing === 'pyramid'
      ? pyramidBudgets(rows, count)
      : sharing === 'sensitivity' && similarity
        ? layerBudgets(rows, similarity, alpha)
        : new Array<number>(count).fill(rows);
  let next = 0;
  return windows.map((kept) => (kept === undefined ? shared[next++] : Math.max(0, kept - sinks)));
}
