// Weights, kept as the f32 numbers they stand for, and products with them.
import type { Around, Backend, Product } from '../backend.ts';
import type { Elements } from '../elements.ts';
import { dequantize } from '../dequantize.ts';
import type { Tensor } from '../tensor.ts';
import type { Training } from '../training.ts';
import { dot } from './math.ts';
import type { Memory } from './memory.ts';

export function productOps(
  { f32, i32, row }: Memory,
  { rmsNorm, add, glu }: Elements,
): Pick<Backend, 'weightBytes' | 'packRows' | 'embed' | 'linear' | 'linearOne' | 'gated'> {
  function linear(products: readonly Product[], x: Tensor, n: number, around?: Around): void {
    const { norm, adds, room } = around ?? {};
    const from = norm ? { ...room!, columns: x.columns } : x;
    if (norm) rmsNorm(from, x, norm.w, n, norm.eps);
    for (const [y, w, bias] of products) {
      const to = adds ? { ...room!, columns: y.columns } : y;
      for (let i = 0; i < n; i++) {
        const numbers = row(from, i, w.columns);
        const out = row(to, i);
        out.set(Array.from({ length: w.rows }, (_, m) => dot(numbers, row(w, m))));
        if (bias) out.forEach((product, m) => void (out[m] = product + row(bias, 0)[m]));
      }
      if (adds) add(y, to, n);
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
    linearOne: (products, x, around) => linear(products, x, 1, around),
    gated(y, gate, up, x, n, activation, before) {
      linear([gate, up], x, n, before);
      glu(y, gate[0], up[0], n, activation);
    },
  };
}

type ProductGradients = Pick<
  Training,
  'linearGradient' | 'weightGradient' | 'biasGradient' | 'embeddingGradient'
>;

/** The way back through them. Sums are made in f64, and rounded to f32 once. */
export function productGradients({ i32, row }: Memory): ProductGradients {
  /** Row m of to += sum over i < n of by(i) from[i]. */
  function addRows(
    to: Tensor,
    m: number,
    from: Tensor,
    n: number,
    by: (i: number) => number,
  ): void {
    const sums = Float64Array.from(row(to, m));
    for (let i = 0; i < n; i++) {
      const [scale, numbers] = [by(i), row(from, i)];
      for (let j = 0; j < sums.length; j++) sums[j] += scale * numbers[j];
    }
    row(to, m).set(sums);
  }

  return {
    linearGradient(dx, products, n, add = false) {
      for (let i = 0; i < n; i++) {
        const to = row(dx, i);
        const sums = add ? Float64Array.from(to) : new Float64Array(to.length);
        for (const [dy, w] of products)
          for (let m = 0; m < w.rows; m++) {
            const [scale, weights] = [row(dy, i)[m], row(w, m)];
            for (let j = 0; j < sums.length; j++) sums[j] += scale * weights[j];
          }
        to.set(sums);
      }
    },
    weightGradient(dw, dy, x, n) {
      for (let m = 0; m < dw.rows; m++) addRows(dw, m, x, n, (i) => row(dy, i)[m]);
    },
    biasGradient: (db, dy, n) => addRows(db, 0, dy, n, () => 1),
    embeddingGradient(dw, dy, ids, n) {
      const tokens = i32(ids, n);
      for (const m of new Set(tokens)) addRows(dw, m, dy, n, (i) => (tokens[i] === m ? 1 : 0));
    },
  };
}
