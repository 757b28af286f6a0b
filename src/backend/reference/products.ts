// Weights, kept as the f32 numbers they stand for, and products with them.
import type { Backend, Product } from '../backend.ts';
import { dequantize } from '../dequantize.ts';
import type { Tensor } from '../tensor.ts';
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
