// Sizes of cases that read cached rows: around tiles of 64 rows, heads of equal and of other
// lengths, dimensions that a type can have.
import {
  isGrouped,
  isQuantized,
  QUANTIZED_MULTIPLE,
  type RowType,
} from '../../src/backend/dtype.ts';
import type { NeededRows } from './case.ts';

/** Head dimensions, groups of query heads, queries, and rows of each kv head. */
export interface RowSizes {
  readonly sizes: readonly (readonly number[])[];
  readonly more: readonly (readonly number[])[];
}

/** A head dimension that a type can have. */
export const fitting = (type: RowType) => (d: number) =>
  isQuantized(type) ? Math.ceil(d / QUANTIZED_MULTIPLE) * QUANTIZED_MULTIPLE : d;

/** Rows of a type, with heads of what stands at a place of the size. */
export const needs = (type: RowType, place = 0): NeededRows => ({
  type,
  headDim: (size) => fitting(type)(size[place]),
});

/** Rows on shared grids are widened first and then like any others: fewer sizes do. */
export const dimsOf = (type: RowType): readonly number[] =>
  isGrouped(type) ? [24] : isQuantized(type) ? [8, 24, 64, 96] : [4, 7, 64];

export const groupsOf = (type: RowType): readonly number[] =>
  isGrouped(type) ? [5] : [1, 2, 4, 5, 8];

/** What is left of all sizes for backends of kernels. */
export const apartFrom = (
  sizes: RowSizes['sizes'],
  all: readonly (readonly number[])[],
): RowSizes => {
  const known = new Set(sizes.map(String));
  return { sizes, more: all.filter((size) => !known.has(String(size))) };
};

const lengths = [[1], [3, 5], [64, 65], [130, 7]];

/** Those that queries look at: [d, group, queries, ...rows]. */
export function observedSizes(type: RowType): RowSizes {
  const looks = (d: number, group: number, l: readonly number[]) => [
    d,
    group,
    Math.min(3, ...l),
    ...l,
  ];
  const all = lengths.flatMap((l) =>
    dimsOf(type).flatMap((d) => (isGrouped(type) ? [3] : [1, 3]).map((g) => looks(d, g, l))),
  );
  // int8 and int3 differ from int4 in how codes lie, f16 from f32 in how a number does
  const isLike = ['f16', 'int4'].includes(type);
  const few = [[70, 70, 70], ...(isLike ? lengths : [lengths[1], lengths[3]])];
  return apartFrom([...few.map((l) => looks(64, 3, l)), looks(24, 1, [65, 3])], all);
}

/**
 * How far kernels may be from the reference where rows are of few bits: queries and weights are
 * rounded, too (test/backend/coded-rows.test.ts compares with what that took of the rows). Keys on
 * grids are met by queries times steps, of which some may be far larger than others.
 */
export function roundedTolerance(type: RowType, tolerance: number): number {
  if (!isQuantized(type)) return tolerance;
  return isGrouped(type) ? 4e-3 : 6e-4;
}
