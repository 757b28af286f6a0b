// Products with weights, for any number of tokens. One token alone has kernels of its own, which
// give the same bits.
import { PANEL_ROWS } from '../../../build/generated/kernels.ts';
import type { Around, Backend, Product } from '../backend.ts';
import type { Elements } from '../elements.ts';
import { weightRowBytes } from '../dtype.ts';
import type { Address, Tensor } from '../tensor.ts';
import { call, SCRATCH } from './call.ts';
import { type Context, shareRows } from './context.ts';

/** x [n, x.columns], rounded. */
export function roundInput(context: Context, to: Address, x: Tensor, n: number): void {
  const k = x.columns;
  const bytes = context.kernels.rounded_bytes(k);
  shareRows(context, n, k, (i, count) =>
    call(context.numbers.round_input, to + i * bytes, x.address + i * k * 4, count * k),
  );
}

/** y = x W^T, for several outputs and weights. */
function multiplier(
  context: Context,
): (products: readonly Product[], x: Tensor, n: number) => void {
  const { numbers, share, parts, scratch } = context;

  return (products, x, n) => {
    const k = x.columns;
    const rows = products.reduce((sum, [, w]) => sum + w.rows, 0);
    const total = n * rows * k;
    // until the next product
    const rounded = scratch.common;
    if (products.some(([, w]) => w.type.rounded)) roundInput(context, rounded, x, n);
    const calls = products.flatMap(([y, w]) => {
      const { number } = w.type;
      const rowBytes = weightRowBytes(w.type, k);
      const input = w.type.rounded ? rounded : x.address;
      const part = (row: number, count: number) => {
        const to = y.address + row * 4;
        const from = w.address + row * rowBytes;
        return n === 1
          ? call(numbers.gemv, to, input, from, count, k, number)
          : call(numbers.gemm, to, input, from, SCRATCH, n, count, k, y.columns, number);
      };
      return parts(w.rows, PANEL_ROWS, total, part, rows);
    });
    share(calls, total);
  };
}

/** Products alone, and with what is done around them: operations of their own here. */
export function productOps(
  context: Context,
  elements: Elements,
): Pick<Backend, 'linear' | 'linearOne' | 'gated'> {
  const { kernels } = context;
  const multiply = multiplier(context);

  function linear(products: readonly Product[], x: Tensor, n: number, around?: Around): void {
    if (around?.adds) {
      // one after the other: they share the room
      for (const [y, w, bias] of products) {
        const sum = { ...around.room, columns: y.columns };
        linear([[sum, w, bias]], x, n);
        elements.add(y, sum, n);
      }
      return;
    }
    const from = around ? { ...around.room, columns: x.columns } : x;
    if (around) elements.rmsNorm(from, x, around.norm.w, n, around.norm.eps);
    multiply(products, from, n);
    for (const [y, , bias] of products)
      if (bias) kernels.add_rows(y.address, bias.address, n, y.columns, 0);
  }

  return {
    linear,
    linearOne: (products, x, around) => linear(products, x, 1, around),
    gated(y, gate, up, x, n, activation, before) {
      linear([gate, up], x, n, before);
      elements.glu(y, gate[0], up[0], n, activation);
    },
  };
}
