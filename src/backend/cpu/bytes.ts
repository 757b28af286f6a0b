// How many bytes a cache reserves in such a memory.
import { cacheRowBytes, cacheRows, type CacheShape, cacheRanges } from '../cache-shape.ts';
import { isGrouped } from '../dtype.ts';
import { rangeBytes, scratchBytes } from '../group-sizes.ts';

/** Bytes of what rows have beside their columns. */
export function asideBytes(shape: CacheShape): number {
  return isGrouped(shape.rowType)
    ? cacheRanges(shape).reduce(
        (sum, { rows, heads }) => sum + rangeBytes(shape, rows, heads),
        scratchBytes(shape),
      )
    : 0;
}

/** Bytes that a cache reserves. */
export function cacheBytes(shape: CacheShape): number {
  return cacheRows(shape) * cacheRowBytes(shape.headDim, shape.rowType) + asideBytes(shape);
}
