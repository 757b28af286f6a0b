// How many grids and unrounded rows there are beside rows that share grids (cpu/groups.ts), and
// what they take.
import { type CacheShape, type EvenShape, headDims } from './cache-shape.ts';
import { gridBytes } from './dtype.ts';

/** Rows that are rounded together. */
export const GROUP = 32;
/** The newest rows of a head that are not rounded yet. */
const RESIDUAL = 32;
/** Most rows of a group, once two were put together. */
export const MOST_ROWS = 2 * GROUP;

/** Most slots of a head that are taken after settle(). */
export const SETTLED_SLOTS = RESIDUAL + GROUP - 1;

/** Slots of a head: what may be appended, and what may be left unrounded. */
export function slotsOf(shape: CacheShape): number {
  return shape.room + SETTLED_SLOTS;
}

/** Grids for a range of `rows` rows of `heads` heads. */
export function gridsOf(rows: number, heads: number): number {
  return Math.ceil(rows / GROUP) + heads;
}

/** Bytes of an unrounded row, key and value. */
export function slotBytes(headDim: number): number {
  return 4 * headDim;
}

/** Bytes of a range of `rows` rows of `heads` heads beside its columns. */
export function rangeBytes(shape: EvenShape, rows: number, heads: number): number {
  return (
    gridsOf(rows, heads) * gridBytes(shape.rowType, shape.headDim) +
    heads * slotsOf(shape) * slotBytes(shape.headDim)
  );
}

/** Bytes for rows on their way: numbers of a group, their list. */
export function scratchBytes(shape: CacheShape): number {
  return MOST_ROWS * (Math.max(0, ...headDims(shape)) + 1) * 4;
}
