// How large a cache is: its layers, heads and rows, and what a row takes.
import { sum } from '../math/sum.ts';
import { isQuantized, type RowType, rowBytes } from './dtype.ts';

export interface CacheShape {
  /** Of every layer, or of each: 0 where a layer keeps no rows. */
  readonly kvHeads: number | readonly number[];
  /** The same. */
  readonly headDim: number | readonly number[];
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
  /**
   * Bytes of what each layer keeps beside rows, whose size is fixed (fixed-state.ts): a cache does
   * not hold them, but they are stored with it. Default: none.
   */
  readonly fixedBytes?: readonly number[];
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

/** The shape of a cache whose layers are all alike. */
export interface EvenShape extends CacheShape {
  readonly kvHeads: number;
  readonly headDim: number;
}

/** Heads of a layer, and their dimensions. */
export const layerShape = (
  { kvHeads, headDim }: Pick<CacheShape, 'kvHeads' | 'headDim'>,
  layer: number,
): Pick<EvenShape, 'kvHeads' | 'headDim'> => ({
  kvHeads: typeof kvHeads === 'number' ? kvHeads : kvHeads[layer],
  headDim: typeof headDim === 'number' ? headDim : headDim[layer],
});

/** Those of each layer. */
export const layerShapes = (shape: CacheShape): Pick<EvenShape, 'kvHeads' | 'headDim'>[] =>
  shape.keptRows.map((_, layer) => layerShape(shape, layer));

/** Heads of all layers. */
export const headCount = (shape: CacheShape): number =>
  layerShapes(shape).reduce((sum, { kvHeads }) => sum + kvHeads, 0);

/** Dimensions of each head, layer after layer. */
export const headDims = (shape: CacheShape): number[] =>
  layerShapes(shape).flatMap(({ kvHeads, headDim }) => new Array<number>(kvHeads).fill(headDim));

/** Bytes a row takes. */
export function cacheRowBytes(headDim: number, type: RowType): number {
  return cacheColumns(headDim, type).reduce((sum, [, bytes]) => sum + bytes, 0);
}

/** Layers that share a range of rows, and what the range holds. */
export interface CacheRange {
  /** The first of its layers. */
  readonly layer: number;
  /** Of the cache, with the numbers of these layers, which are alike. */
  readonly shape: EvenShape;
  /** Rows that a compaction may leave, and all of them. */
  readonly kept: number;
  readonly rows: number;
  readonly heads: number;
}

/** Ranges of a cache: one a layer, or one for all. */
export function cacheRanges(shape: CacheShape): CacheRange[] {
  const { keptRows, room, pooled } = shape;
  const layers = layerShapes(shape);
  const range = (layer: number, end: number): CacheRange => {
    const own = layers.slice(layer, end);
    const alike = own.find(({ kvHeads }) => kvHeads > 0) ?? own[0];
    const kept = sum(own.map(({ kvHeads }, i) => kvHeads * keptRows[layer + i]));
    const heads = sum(own.map(({ kvHeads }) => kvHeads));
    return { layer, shape: { ...shape, ...alike }, kept, rows: kept + heads * room, heads };
  };
  return pooled ? [range(0, layers.length)] : layers.map((_, layer) => range(layer, layer + 1));
}

/** Rows of all layers and heads at the fullest. */
export const cacheRows = (shape: CacheShape): number =>
  sum(cacheRanges(shape).map(({ rows }) => rows));

/** Bytes of the rows that ranges hold. */
export const rowsBytes = (shape: CacheShape, rows: readonly number[]): number =>
  sum(
    cacheRanges(shape).map(
      (range, i) => rows[i] * cacheRowBytes(range.shape.headDim, shape.rowType),
    ),
  );
