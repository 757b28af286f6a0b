// What a plan costs: bytes of its caches, of the memory that its stages work in, and of what goes
// to a store and comes back.
import {
  type CacheShape,
  cacheRanges,
  cacheRowBytes,
  cacheRows,
  headDims,
  layerShapes,
} from '../backend/cache-shape.ts';
import { sum } from '../math/sum.ts';
import { fixedStateBytes } from '../backend/fixed-state.ts';
import { storedBytes } from '../cache/stored.ts';
import type { LayerRange } from '../model/tensors.ts';
import { workspaceBytes } from '../model/workspace.ts';
import type { Placement, PlanOptions } from './plan-options.ts';
import { MARKS } from './marks.ts';
import { stateBytesOf } from './model-state.ts';
import { pieceBytes, savedBytes } from './saved.ts';
import { turnBytes } from './turns.ts';

/**
 * What there is one f32 or i32 a row of: scores, smoothed scores, scores with protection, kept
 * indices, what a score needs aside, and a patched prompt's looks so far.
 */
export const rowBuffers = ['scores', 'smoothed', 'rated', 'kept', 'aside', 'looks'] as const;

export interface PlanBytes {
  /** The caches that stages hold, at their fullest. */
  readonly cacheBytes: number;
  /** Working memory, and (with episodes) what goes to a store and comes back. */
  readonly fixedBytes: number;
  /** Those of both that are on a device: all but what goes to a store. 0: there is none. */
  readonly deviceBytes: number;
  /** Both, and the stored caches that are kept in memory. */
  readonly totalBytes: number;
  /** What goes to a store is read or written by so many bytes, and joined by so many rows. */
  readonly pieceBytes: number;
  readonly joinedRows: number;
}

/** What a cache costs, by its shape, where layers and options are these. */
export function planBytes(
  placement: Placement,
  options: PlanOptions,
): (shape: CacheShape) => PlanBytes {
  const { backend, layerRanges } = placement;
  const { observe } = options.policy;
  const episodic = observe.queries === 'patched' && observe.prompt === 'episode';
  const workBytes = stageWorkBytes(placement, options);
  const underWay = underWayBytes(placement, options);
  return (shape) => {
    const sumStages = (of: (part: CacheShape) => number) =>
      layerRanges.reduce((sum, stage) => sum + of(cutShape(shape, stage)), 0);
    const cacheBytes = sumStages((part) => stateBytesOf(backend, part));
    const stateBytes = storedBytes(shape, keptInAll(shape));
    const widest = Math.max(0, ...headDims(shape));
    const saved = {
      pieceBytes: pieceBytes(stateBytes, cacheRowBytes(widest, shape.rowType)),
      joinedRows: joinedRows(shape, options),
    };
    // a device's working memory is copied to a larger one when it grows, both in steps
    const times = backend.canBeLost ? 2 : 1;
    const steps = backend.canBeLost ? times * backend.limits.growBytes : 0;
    const working =
      steps +
      times * sumStages((part) => workBytes + capacityOf(part) * 4 * rowBuffers.length) +
      (times - 1) * fixedStateBytes(shape.fixedBytes ?? [], MARKS);
    const deviceBytes = backend.canBeLost ? cacheBytes + working : 0;
    const fixedBytes = working + underWay + (episodic ? savedBytes(shape, saved) : 0);
    const totalBytes = cacheBytes + fixedBytes + options.storedCaches * stateBytes;
    return { cacheBytes, fixedBytes, deviceBytes, totalBytes, ...saved };
  };
}

/** What each stage works in: activations, scratch, and angles of coming positions. */
function stageWorkBytes(
  { config, backend }: Placement,
  { blockSize, promptTokens, policy: { observe } }: PlanOptions,
): number {
  const turnsAhead = observe.queries === 'block' && observe.ahead !== undefined;
  return (
    workspaceBytes(config, backend, Math.max(blockSize, promptTokens), blockSize) +
    turnBytes(config, backend, turnsAhead ? blockSize : 0)
  );
}

/** What is between two stages: hidden states of blocks and their prompts. */
const underWayBytes = (
  { config, layerRanges, depth }: Placement,
  { blockSize, promptTokens }: PlanOptions,
): number => (layerRanges.length > 1 ? depth * (blockSize + promptTokens) * config.width * 4 : 0);

/** Rows that all layers and heads keep, without those that are appended between compactions. */
const keptInAll = (shape: CacheShape): number =>
  sum(layerShapes(shape).map(({ kvHeads }, layer) => kvHeads * shape.keptRows[layer]));

/** Rows of a head that can be joined with another's: as many as it may hold. */
const joinedRows = (shape: CacheShape, { heads }: PlanOptions): number =>
  shape.pooled
    ? keptInAll(shape)
    : Math.max(
        ...layerShapes(shape).map(
          ({ kvHeads }, layer) => shape.keptRows[layer] * (heads === 'adaptive' ? kvHeads : 1),
        ),
      );

export function cutShape(shape: CacheShape, { first, end }: LayerRange): CacheShape {
  const cut = (numbers: number | readonly number[]) =>
    typeof numbers === 'number' ? numbers : numbers.slice(first, end);
  return {
    ...shape,
    kvHeads: cut(shape.kvHeads),
    headDim: cut(shape.headDim),
    keptRows: shape.keptRows.slice(first, end),
    ...(shape.fixedBytes && { fixedBytes: shape.fixedBytes.slice(first, end) }),
  };
}

/** Rows of the fullest layer, or of all where they are selected from together; 0 of no layers. */
export const capacityOf = (shape: CacheShape): number =>
  shape.pooled ? cacheRows(shape) : Math.max(0, ...cacheRanges(shape).map(({ rows }) => rows));
