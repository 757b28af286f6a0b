// Weights, kept as the f32 numbers they stand for, and products with them.
import type { Backend, Product } from '../backend.ts';
import { dequantize } from '../dequantize.ts';
import type { Tensor } from '../tensor.ts';
import type { Training } from '../training.ts';
import { dot } from './math.ts';
import type { Memory } from './memory.ts';

export function productOps({
  f32,
  i32,
  row,
}: Memory): Pick<Backend, 'weightBytes' | 'packRows' | 'embed' | 'linear' | 'linearOne'> {
  function linear(products: readonly Product[], x: Tensor, n: number): void {
    for (const [y, w] of products) {
      for (let i = 0; i < n; i++) {
        const from = row(x, i, w.columns);
        row(y, i).set(Array.from({ length: w.rows }, (_, m) => dot(from, row(w, m))));
      }
    }
  }

  return {
    weightBytes: (_, rows, columns) => rows * columns * 4,
    packRows(weight, first, count, file) {
      f32(weight.address + first * weight.columns * 4, count * weight.columns).set(
        dequantize(weight.type.name, file, count * weight.columns),
      );
    },
    embed(y, table, ids, n) {
      const tokens = i32(ids, n);
      for (let i = 0; i < n; i++) row(y, i, table.columns).set(row(table, tokens[i]));
    },
    linear,
    linearOne: (products, x) => linear(products, x, 1),
  };
}

/** Gradients of products, as training.ts says. */
export function productGradients({
  i32,
  row,
}: Memory): Pick<
  Training,
  'linearGradient' | 'weightGradient' | 'biasGradient' | 'embeddingGradient'
> {
  return {
    linearGradient(dx, products, n, add = false) {
      for (let i = 0; i < n; i++) {
        const sums = Float64Array.from(row(dx, i), (before) => (add ? before : 0));
        for (const [dy, w] of products)
          for (const [m, d] of row(dy, i).entries())
            row(w, m).forEach((value, k) => {
              sums[k] += d * value;
            });
        row(dx, i).set(sums);
      }
    },
    weightGradient(dw, dy, x, n) {
      for (let m = 0; m < dw.rows; m++) {
        const sums = Float64Array.from(row(dw, m));
        for (let i = 0; i < n; i++)
          row(x, i).forEach((value, k) => {
            sums[k] += row(dy, i)[m] * value;
          });
        row(dw, m).set(sums);
      }
    },
    biasGradient(db, dy, n) {
      const sums = Float64Array.from(row(db, 0));
      for (let i = 0; i < n; i++)
        row(dy, i).forEach((d, m) => {
          sums[m] += d;
        });
      row(db, 0).set(sums);
    },
    embeddingGradient(dw, dy, ids, n) {
      for (const [i, id] of i32(ids, n).entries())
        row(dy, i).forEach((d, k) => {
          row(dw, id)[k] += d;
        });
    },
  };
}
