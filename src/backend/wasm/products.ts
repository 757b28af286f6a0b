// Products with weights, for any number of tokens. One token alone has kernels of its own, which
// give the same bits.
import { PANEL_ROWS } from '../../../build/generated/kernels.ts';
import type { Backend } from '../backend.ts';
import { weightRowBytes } from '../dtype.ts';
import type { Address, Tensor } from '../tensor.ts';
import { call, SCRATCH } from './call.ts';
import { type Context, shareRows } from './context.ts';

export function productOps(context: Context): Pick<Backend, 'linear' | 'linearOne'> {
  const { kernels, numbers, share, parts, scratch } = context;

  /** x [n, x.columns] rounded, where that is until the next product. */
  function roundInput(x: Tensor, n: number): Address {
    const k = x.columns;
    const bytes = kernels.rounded_bytes(k);
    shareRows(context, n, k, (i, count) =>
      call(numbers.round_input, scratch.common + i * bytes, x.address + i * k * 4, count * k),
    );
    return scratch.common;
  }

  const ops: ReturnType<typeof productOps> = {
    linear(products, x, n) {
      const k = x.columns;
      const rows = products.reduce((sum, [, w]) => sum + w.rows, 0);
      const total = n * rows * k;
      const rounded = products.some(([, w]) => w.type.rounded) ? roundInput(x, n) : 0;
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
    },
    linearOne: (products, x) => ops.linear(products, x, 1),
  };
  return ops;
}
