// The way back through products with weights.
import { PANEL_ROWS } from '../../../build/generated/kernels.ts';
import type { Product } from '../backend.ts';
import { weightRowBytes } from '../dtype.ts';
import type { Tensor, Weight } from '../tensor.ts';
import type { Training } from '../training.ts';
import { type Call, call, SCRATCH } from './call.ts';
import { type Context, shareRows } from './context.ts';

/** Columns that threads do not share: a cache line of f32. */
const LINE = 16;
/** Blocks of columns from which on threads are given some each; else some tokens each. */
const MANY_BLOCKS = 8;
/** Tokens, for which a thread unpacks all of a weight. */
const TOKENS = 64;
/** Multiply-adds that a number counts as which is only added. */
const ADD_WORK = 8;

/** Rows of a quantised weight that dy is rounded for at a time: scratch has room for no more. */
export const ROUNDED_ROWS = 2048;
/** Rows that are rounded together (assembly/gemm/rounded.ts). */
const ROUNDED_BLOCK = 32;

type OfInputs = Pick<Training, 'linearGradient'>;
type OfWeights = Pick<Training, 'weightGradient' | 'biasGradient' | 'embeddingGradient'>;

export const productGradients = (context: Context): OfInputs & OfWeights => ({
  ...ofInputs(context),
  ...ofWeights(context),
});

/** Shares what there is to do for one product: columns of dx among threads, or else tokens. */
function shareColumns(
  { share, parts }: Context,
  { type }: Weight,
  n: number,
  k: number,
  work: number,
  part: (t: number, tokens: number, column: number, columns: number) => Call,
): void {
  const unit = Math.max(LINE, type.elements);
  const calls =
    k >= MANY_BLOCKS * unit
      ? parts(k, unit, work, (column, count) => part(0, n, column, count))
      : parts(n, TOKENS, work, (t, count) => part(t, count, 0, k));
  share(calls, work);
}

function ofInputs(context: Context): OfInputs {
  const { kernels, numbers, scratch } = context;

  /** dx (+)= dy W, of weights that meet x as it is. */
  function addFloats(dx: Tensor, [dy, w]: Product, n: number, add: boolean): void {
    const [k, ldy] = [dx.columns, dy.columns];
    const rowBytes = weightRowBytes(w.type, k);
    shareColumns(context, w, n, k, n * w.rows * k, (t, tokens, column, columns) => {
      const to = dx.address + (t * k + column) * 4;
      const from = dy.address + t * ldy * 4;
      const at = w.address + weightRowBytes(w.type, 4 * column);
      const shape = [tokens, w.rows, columns, k, ldy, rowBytes, w.type.number] as const;
      return call(numbers.linear_gradient, to, from, at, SCRATCH, ...shape, add);
    });
  }

  /** The same of weights that meet it rounded, some rows at a time. */
  function addRounded(dx: Tensor, [dy, w]: Product, n: number, add: boolean): void {
    const [k, ldy] = [dx.columns, dy.columns];
    const rowBytes = weightRowBytes(w.type, k);
    for (let row = 0; row < w.rows; row += ROUNDED_ROWS) {
      const m = Math.min(ROUNDED_ROWS, w.rows - row);
      const bytes = kernels.rounded_bytes(Math.ceil(m / ROUNDED_BLOCK) * ROUNDED_BLOCK);
      shareRows(context, n, m, (t, count) => {
        const to = scratch.common + t * bytes;
        const from = dy.address + (t * ldy + row) * 4;
        return call(numbers.round_gradient, to, from, SCRATCH, count, m, ldy);
      });
      shareColumns(context, w, n, k, n * m * k, (t, tokens, column, columns) => {
        const to = dx.address + (t * k + column) * 4;
        const from = scratch.common + t * bytes;
        const at = w.address + row * rowBytes + weightRowBytes(w.type, 4 * column);
        const shape = [tokens, m, columns, k, rowBytes, w.type.number] as const;
        const sum = add || row > 0;
        return call(numbers.linear_gradient_rounded, to, from, at, SCRATCH, ...shape, sum);
      });
    }
  }

  return {
    linearGradient(dx, products, n, add = false) {
      // one after the other: they are added up
      products.forEach((product, i) => {
        const { rounded } = product[1].type;
        (rounded ? addRounded : addFloats)(dx, product, n, add || i > 0);
      });
    },
  };
}

function ofWeights({ numbers, share, parts }: Context): OfWeights {
  return {
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
