// The bytes of a cache that is taken out, section by section (cpu/transfer.ts).
import { StoreError } from '../errors.ts';
import { sum } from '../math/sum.ts';
import { cacheColumns, type CacheShape, cacheRanges, headCount, headDims } from './cache-shape.ts';
import { gridBytes, isGrouped } from './dtype.ts';
import { gridsOf, SETTLED_SLOTS, slotBytes } from './group-sizes.ts';
import type { Extent } from './state.ts';

/** The largest extent that a cache has with `rows` rows. */
export function largestExtent(shape: CacheShape, rows: number): Extent {
  const dims = headDims(shape);
  const heads = dims.length;
  const widest = dims.indexOf(Math.max(...dims));
  const lengths = Array.from({ length: heads }, (_, i) => (i === widest ? rows : 0));
  if (!isGrouped(shape.rowType)) return { lengths, gridChannels: 0, slotChannels: 0 };
  const channels = cacheRanges(shape).map(
    (range) => gridsOf(range.rows, range.heads) * range.shape.headDim,
  );
  const slots = Math.min(rows, heads * SETTLED_SLOTS);
  return { lengths, gridChannels: sum(channels), slotChannels: slots * Math.max(0, ...dims) };
}

/**
 * Bytes of each section: a head's columns one by one, then all grids, then all slots; then what
 * layers keep beside rows. Multiples of 4.
 */
export function sectionsOf(shape: CacheShape, extent: Extent): number[] {
  const { lengths, gridChannels, slotChannels } = extent;
  const { rowType } = shape;
  const fixedBytes = sum(shape.fixedBytes ?? []);
  const dims = headDims(shape);
  const sections = dims.flatMap((headDim, h) =>
    cacheColumns(headDim, rowType).map(([, bytes]) => lengths[h] * bytes),
  );
  if (isGrouped(rowType) && dims.length > 0)
    sections.push(gridChannels * gridBytes(rowType, 1), slotChannels * slotBytes(1));
  return fixedBytes > 0 ? [...sections, fixedBytes] : sections;
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
  const heads = headCount(cache.shape);
  if (lengths.length !== heads)
    throw new StoreError(`it has ${lengths.length} heads, this session ${heads}`);
  if (lengths.some((n) => !(n >= 0))) throw new StoreError('it has heads of negative length');
  try {
    return cache.resize(lengths);
  } catch (error) {
    throw new StoreError(`it has more rows than this session holds (${(error as Error).message})`);
  }
}
