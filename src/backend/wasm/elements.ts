// Norms, sums, gates and rotations: what is done number by number.
import type { Backend } from '../backend.ts';
import { call, type KernelNumber } from './call.ts';
import { type Context, shareRows } from './context.ts';

export function elementOps(
  context: Context,
): Pick<Backend, 'rmsNorm' | 'add' | 'addBias' | 'scale' | 'swiglu' | 'geglu' | 'rope'> {
  const { kernels, numbers } = context;
  const gated =
    (number: KernelNumber<'swiglu' | 'geglu'>): Backend['swiglu'] =>
    (y, gate, up, n) => {
      const c = y.columns;
      shareRows(context, n, c, (i, count) => {
        const at = i * c * 4;
        return call(number, y.address + at, gate.address + at, up.address + at, count * c);
      });
    };
  return {
    rmsNorm(y, x, w, n, eps) {
      const d = w.columns;
      shareRows(context, n, d, (i, count) => {
        const at = i * d * 4;
        return call(numbers.rms_norm, y.address + at, x.address + at, w.address, count, d, eps);
      });
    },
    add(y, x, n) {
      const c = y.columns;
      shareRows(context, n, c, (i, count) =>
        call(numbers.add_rows, y.address + i * c * 4, x.address + i * c * 4, count, c, c),
      );
    },
    addBias(y, bias, n) {
      kernels.add_rows(y.address, bias.address, n, y.columns, 0);
    },
    scale(y, by, n) {
      kernels.scale_rows(y.address, by, n * y.columns);
    },
    swiglu: gated(numbers.swiglu),
    geglu: gated(numbers.geglu),
    rope(x, angles, n, heads, d) {
      const { rotated, style } = angles;
      const neox = style === 'halves' ? 1 : 0;
      shareRows(context, n, heads * d, (i, count) => {
        const to = x.address + i * heads * d * 4;
        const table = angles.address + i * rotated * 4;
        return call(numbers.rope, to, table, count, heads, d, rotated, neox);
      });
    },
  };
}
