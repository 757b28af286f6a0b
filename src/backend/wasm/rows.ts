// Cached rows: storing, widening, turning and moving them.
import { rowCode } from '../dtype.ts';
import type { RowOps } from '../cpu/operations.ts';
import type { Context } from './context.ts';

export function rowOps({ kernels, scratch }: Context): RowOps {
  return {
    ropeShift(keys, angles, n, d, type) {
      kernels.rope_shift(
        keys,
        angles.address,
        scratch.own,
        n,
        d,
        angles.rotated,
        angles.style === 'halves' ? 1 : 0,
        rowCode(type),
      );
    },
    storeRows(rows, x, head, n, d, type) {
      kernels.rows_store(
        rows,
        x.address + head * d * 4,
        scratch.own,
        n,
        d,
        x.columns,
        rowCode(type),
      );
    },
    gatherRows(out, rows, list, n, d, type, side) {
      kernels.kivi_gather(out, rows[side], rows.rest, list, n, d, rowCode(type, side));
    },
    groupRows(rows, list, x, grid, n, d, type, side) {
      const code = rowCode(type, side);
      kernels.kivi_group(rows[side], rows.rest, list, x, scratch.own, n, d, code, grid);
    },
    compactRows(rows, kept, count, rowBytes) {
      kernels.compact_rows(rows, kept, count, rowBytes);
    },
  };
}
