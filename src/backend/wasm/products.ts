// Products with weights, for any number of tokens. One token alone has kernels of its own, which
// give the same bits.
import { AS_IT_IS, EIGHT_BITS_WIDE, PANEL_ROWS } from '../../../build/generated/kernels.ts';
import type { Around, Backend, Product } from '../backend.ts';
import type { Elements } from '../elements.ts';
import { weightRowBytes } from '../dtype.ts';
import type { Address, Tensor, Weight } from '../tensor.ts';
import { call, SCRATCH } from './call.ts';
import { type Context, shareRows } from './context.ts';

/** x [n, x.columns], rounded to a format. */
export function roundInput(
  context: Context,
  to: Address,
  x: Tensor,
  n: number,
  format: number,
): void {
  const k = x.columns;
  const bytes = context.kernels.input_bytes(k, format);
  shareRows(context, n, k, (i, count) =>
    call(context.numbers.round_input, to + i * bytes, x.address + i * k * 4, count * k, format),
  );
}

/**
 * How x is rounded for all weights that want it so: as they say, or, where they differ, as all can
 * take it.
 */
export function formatOfAll({ formatOf }: Context, weights: readonly Weight[]): number {
  let format = AS_IT_IS;
  for (const { type } of weights) {
    const own = formatOf(type);
    if (own === AS_IT_IS || own === format) continue;
    format = format === AS_IT_IS ? own : EIGHT_BITS_WIDE;
  }
  return format;
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
    const common = formatOfAll(
      context,
      products.map(([, w]) => w),
    );
    if (common !== AS_IT_IS) roundInput(context, rounded, x, n, common);
    const calls = products.flatMap(([y, w]) => {
      const { number } = w.type;
      const rowBytes = weightRowBytes(w.type, k);
      const format = w.type.rounded ? common : AS_IT_IS;
      const input = w.type.rounded ? rounded : x.address;
      const part = (row: number, count: number) => {
        const to = y.address + row * 4;
        const from = w.address + row * rowBytes;
        return n === 1
          ? call(numbers.gemv, to, input, from, count, k, number, format)
          : call(numbers.gemm, to, input, from, SCRATCH, n, count, k, y.columns, number, format);
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
