// The bytes of a cache that is taken out, section by section (cpu/transfer.ts).
import { StoreError } from '../errors.ts';
import { cacheColumns, type CacheShape, cacheRanges } from './cache-shape.ts';
import { gridBytes, isGrouped } from './dtype.ts';
import { gridsOf, SETTLED_SLOTS, slotBytes } from './group-sizes.ts';
import type { Extent } from './state.ts';

/** The largest extent that a cache has with `rows` rows. */
export function largestExtent(shape: CacheShape, rows: number): Extent {
  const heads = shape.keptRows.length * shape.kvHeads;
  const lengths = Array.from({ length: heads }, (_, i) => (i === 0 ? rows : 0));
  if (!isGrouped(shape.rowType)) return { lengths, grids: 0, slots: 0 };
  const grids = cacheRanges(shape).reduce(
    (sum, range) => sum + gridsOf(range.rows, range.heads),
    0,
  );
  return { lengths, grids, slots: Math.min(rows, heads * SETTLED_SLOTS) };
}

/**
 * Bytes of each section: a head's columns one by one, then all grids, then all slots. Multiples of
 * 4.
 */
export function sectionsOf(
  { headDim, rowType }: CacheShape,
  { lengths, grids, slots }: Extent,
): number[] {
  const columns = cacheColumns(headDim, rowType);
  const heads = lengths.flatMap((length) => columns.map(([, bytes]) => length * bytes));
  return isGrouped(rowType)
    ? [...heads, grids * gridBytes(rowType, headDim), slots * slotBytes(headDim)]
    : heads;
}

/** A cache that a state is put back into. */
interface Refilled<Places> {
  readonly layers: number;
  readonly shape: CacheShape;
  clear(): void;
  resize(lengths: readonly number[]): Places;
}

/**
 * Makes a cache as long as what is put back into it, and gives what its resize() says. Throws
 * StoreError where that does not fit.
 */
export function makeRoomFor<Places>(cache: Refilled<Places>, { lengths }: Extent): Places {
  cache.clear();
  const heads = cache.layers * cache.shape.kvHeads;
  if (lengths.length !== heads)
    throw new StoreError(`it has ${lengths.length} heads, this session ${heads}`);
  if (lengths.some((n) => !(n >= 0))) throw new StoreError('it has heads of negative length');
  try {
    return cache.resize(lengths);
  } catch (error) {
    throw new StoreError(`it has more rows than this session holds (${(error as Error).message})`);
  }
}
