// Where the ranges of a cache (cache-shape.ts) lie on a device: as many of them in one part
// (rows.ts) as can be bound together.
import { DeviceError } from '../../errors.ts';
import { formatBytes } from '../../math/format.ts';
import { cacheColumns, cacheRanges, cacheRowBytes, type CacheShape } from '../cache-shape.ts';
import { isQuantized, rowBytes, type RowType } from '../dtype.ts';
import type { Heap } from './heap.ts';
import { type CachePart, HEAD_WORDS } from './rows.ts';

/** A range of rows: a layer's, or all layers'. */
export interface RangePlace {
  readonly part: CachePart;
  /** Its rows in the part, of which a compaction may leave `kept`. */
  readonly first: number;
  readonly rows: number;
  readonly kept: number;
  /** Its heads among the part's. */
  readonly firstHead: number;
  readonly heads: number;
}

/** The same before parts are there, and the head dimensions of all of a part's ranges. */
type Range = Omit<RangePlace, 'part'> & { readonly headDim: number };

/** Words of a part's notes. */
const noteWords = (rows: number, heads: number, rowType: RowType): number =>
  rows * (isQuantized(rowType) ? 3 : 2) + heads * HEAD_WORDS;

/** Bytes that a cache takes. */
export function deviceCacheBytes(shape: CacheShape): number {
  return cacheRanges(shape).reduce(
    (sum, { shape: { headDim, rowType }, rows, heads }) =>
      sum + rows * cacheRowBytes(headDim, rowType) + heads * HEAD_WORDS * 4,
    0,
  );
}

/**
 * Ranges one behind the other, in parts of which no buffer is larger than `limit`, and all rows are
 * as wide.
 */
function dealt(shape: CacheShape, limit: number): Range[][] {
  const { rowType } = shape;
  const fits = (rows: number, heads: number, headDim: number) => {
    const widest = Math.max(...cacheColumns(headDim, rowType).map(([, bytes]) => bytes));
    return Math.max(rows * widest, 4 * noteWords(rows, heads, rowType)) <= limit;
  };
  const parts: Range[][] = [];
  let [rows, heads] = [0, 0];
  for (const { shape: own, ...range } of cacheRanges(shape)) {
    const { headDim } = own;
    if (!fits(range.rows, range.heads, headDim))
      throw new DeviceError(
        `${range.rows} cached rows of ${formatBytes(rowBytes(rowType, headDim))} lie in one ` +
          `buffer, the device binds ${formatBytes(limit)}: choose a smaller budget, rows of ` +
          `fewer bits, ${shape.pooled ? 'layers that do not share one budget, ' : ''}or ` +
          `device: 'wasm'`,
      );
    const isOther = parts.at(-1)?.[0].headDim !== headDim;
    if (isOther || !fits(rows + range.rows, heads + range.heads, headDim)) {
      parts.push([]);
      [rows, heads] = [0, 0];
    }
    parts.at(-1)!.push({ ...range, headDim, first: rows, firstHead: heads });
    rows += range.rows;
    heads += range.heads;
  }
  return parts;
}

/** Reserves a cache's buffers. Throws DeviceError where memory ends. */
export function reserveParts(heap: Heap, shape: CacheShape, limit: number): RangePlace[] {
  const { rowType } = shape;
  const taken: number[] = [];
  const reserve = (bytes: number) => {
    const address = heap.planWhole(bytes);
    taken.push(address);
    return address;
  };
  try {
    return dealt(shape, limit).flatMap((ranges) => {
      const rows = ranges.reduce((sum, range) => sum + range.rows, 0);
      const heads = ranges.reduce((sum, range) => sum + range.heads, 0);
      const [{ headDim }] = ranges;
      const part: CachePart = {
        keys: reserve(rows * rowBytes(rowType, headDim)),
        values: reserve(rows * rowBytes(rowType, headDim, 'values')),
        notes: reserve(4 * noteWords(rows, heads, rowType)),
        rows,
        heads,
      };
      return ranges.map((range) => ({ ...range, part }));
    });
  } catch (error) {
    for (const address of taken) heap.free(address);
    throw error;
  }
}

/** Where a head's rows begin in its part, and how many they are. */
export interface HeadPlace {
  readonly part: CachePart;
  readonly start: number;
  readonly length: number;
}

/** Of `count` heads, as they were read. */
export function headsOf(words: ArrayBuffer, count: number): Omit<HeadPlace, 'part'>[] {
  const numbers = new Uint32Array(words, 0, HEAD_WORDS * count);
  return Array.from({ length: count }, (_, h) => {
    const [start, length] = numbers.subarray(HEAD_WORDS * h);
    return { start, length };
  });
}
