// How many bytes a cache reserves in such a memory.
import { type CacheShape, cacheRanges, rowsBytes } from '../cache-shape.ts';
import { isGrouped } from '../dtype.ts';
import { rangeBytes, scratchBytes } from '../group-sizes.ts';

/** Bytes of what rows have beside their columns. */
export function asideBytes(shape: CacheShape): number {
  return isGrouped(shape.rowType)
    ? cacheRanges(shape).reduce(
        (sum, { shape: own, rows, heads }) => sum + rangeBytes(own, rows, heads),
        scratchBytes(shape),
      )
    : 0;
}

/** Bytes that a cache reserves. */
export function cacheBytes(shape: CacheShape): number {
  const rows = cacheRanges(shape).map((range) => range.rows);
  return rowsBytes(shape, rows) + asideBytes(shape);
}
