// The way back through products with weights.
import { PANEL_ROWS } from '../../../build/generated/kernels.ts';
import { weightRowBytes } from '../dtype.ts';
import type { Training } from '../training.ts';
import { call, SCRATCH } from './call.ts';
import type { Context } from './context.ts';

/** Columns that threads do not share: a cache line of f32. */
const LINE = 16;
/** Blocks of columns from which on threads are given some each; else some tokens each. */
const MANY_BLOCKS = 8;
/** Tokens, for which a thread unpacks all of a weight. */
const TOKENS = 64;
/** Multiply-adds that a number counts as which is only added. */
const ADD_WORK = 8;

export function productGradients({
  numbers,
  share,
  parts,
}: Context): Pick<
  Training,
  'linearGradient' | 'weightGradient' | 'biasGradient' | 'embeddingGradient'
> {
  return {
    linearGradient(dx, products, n, add = false) {
      const k = dx.columns;
      products.forEach(([{ address: dy, columns: ldy }, w], i) => {
        const { type } = w;
        const sum = add || i > 0;
        const rowBytes = weightRowBytes(type, k);
        const part = (t: number, tokens: number, column: number, columns: number) => {
          const to = dx.address + (t * k + column) * 4;
          const from = dy + t * ldy * 4;
          const at = w.address + weightRowBytes(type, 4 * column);
          const shape = [tokens, w.rows, columns, k, ldy, rowBytes] as const;
          return call(numbers.linear_gradient, to, from, at, SCRATCH, ...shape, type.number, sum);
        };
        const work = n * w.rows * k;
        const unit = Math.max(LINE, type.elements);
        // one product after the other: they are added up
        share(
          k >= MANY_BLOCKS * unit
            ? parts(k, unit, work, (column, count) => part(0, n, column, count))
            : parts(n, TOKENS, work, (t, count) => part(t, count, 0, k)),
          work,
        );
      });
    },
    weightGradient(dw, dy, x, n) {
      const [m, k] = [dw.rows, dw.columns];
      const part = (row: number, rows: number, column: number, columns: number) => {
        const to = dw.address + row * k * 4 + column * 16;
        const [from, by] = [dy.address + row * 4, x.address + column * 4];
        const shape = [n, rows, columns, k, dy.columns, x.columns] as const;
        return call(numbers.weight_gradient, to, from, by, SCRATCH, ...shape);
      };
      const work = n * m * k;
      share(
        m >= k
          ? parts(m, PANEL_ROWS, work, (row, count) => part(row, count, 0, k))
          : parts(k, LINE, work, (column, count) => part(0, m, column, count)),
        work,
      );
    },
    biasGradient(db, dy, n) {
      const m = db.columns;
      const work = n * m * ADD_WORK;
      const part = (j: number, count: number) =>
        call(numbers.bias_gradient, db.address + j * 4, dy.address + j * 4, n, count, m);
      share(parts(m, LINE, work, part), work);
    },
    embeddingGradient(dw, dy, ids, n) {
      const k = dw.columns;
      const work = n * k * ADD_WORK;
      const part = (j: number, count: number) => {
        const [to, from] = [dw.address + j * 16, dy.address + j * 4];
        return call(numbers.embedding_gradient, to, from, ids, n, count, k, k);
      };
      share(parts(k, LINE, work, part), work);
    },
  };
}
