// How large a cache is: its layers, heads and rows, and what a row takes.
import { isQuantized, type RowType, rowBytes } from './dtype.ts';

export interface CacheShape {
  readonly kvHeads: number;
  readonly headDim: number;
  readonly rowType: RowType;
  /** Rows that each layer may hold per kv head after a compaction, on average over its heads. */
  readonly keptRows: readonly number[];
  /** Rows that may be appended to every head before the next compaction. */
  readonly room: number;
  /**
   * Whether all layers share one range: a layer may then keep more than its rows where others keep
   * less. Default: no.
   */
  readonly pooled?: boolean;
}

/** The arrays of a pool. */
export type ColumnName = 'keys' | 'values' | 'tokens' | 'state' | 'positions';

/**
 * The arrays of a pool and the bytes of a row in each: key, value, token number, accumulated state.
 * Keys of few bits also keep the rotary position that they were stored with: turning one rounds it
 * again, so they are turned rarely, and then from where they are.
 */
export function cacheColumns(headDim: number, type: RowType): [ColumnName, number][] {
  const positions: ['positions', number][] = isQuantized(type) ? [['positions', 4]] : [];
  return [
    ['keys', rowBytes(type, headDim)],
    ['values', rowBytes(type, headDim, 'values')],
    ['tokens', 4],
    ['state', 4],
    ...positions,
  ];
}

/** Bytes a row takes. */
export function cacheRowBytes(headDim: number, type: RowType): number {
  return cacheColumns(headDim, type).reduce((sum, [, bytes]) => sum + bytes, 0);
}

/** Rows of all layers and heads at the fullest. */
export function cacheRows(shape: CacheShape): number {
  return shape.keptRows.reduce((sum, kept) => sum + shape.kvHeads * (kept + shape.room), 0);
}

/** Rows and heads of each range of a cache. */
export function cacheRanges({
  keptRows,
  kvHeads,
  room,
  pooled,
}: CacheShape): { kept: number; rows: number; heads: number }[] {
  const range = (kept: number, heads: number) => ({
    kept: kvHeads * kept,
    rows: kvHeads * kept + heads * room,
    heads,
  });
  return pooled
    ? [
        range(
          keptRows.reduce((a, b) => a + b, 0),
          kvHeads * keptRows.length,
        ),
      ]
    : keptRows.map((kept) => range(kept, kvHeads));
}
