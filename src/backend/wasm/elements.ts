// Norms, sums, gates and rotations: what is done number by number.
import type { Backend } from '../backend.ts';
import { call, type KernelNumber } from './call.ts';
import { type Context, ELEMENT_WORK } from './context.ts';

export function elementOps({
  kernels,
  numbers,
  share,
  parts,
}: Context): Pick<Backend, 'rmsNorm' | 'add' | 'addBias' | 'scale' | 'swiglu' | 'geglu' | 'rope'> {
  const gated =
    (number: KernelNumber<'swiglu' | 'geglu'>): Backend['swiglu'] =>
    (y, gate, up, n) => {
      const c = y.columns;
      const work = n * c * ELEMENT_WORK;
      const part = (i: number, count: number) =>
        call(
          number,
          y.address + i * c * 4,
          gate.address + i * c * 4,
          up.address + i * c * 4,
          count * c,
        );
      share(parts(n, 1, work, part), work);
    };
  return {
    rmsNorm(y, x, w, n, eps) {
      const d = w.columns;
      const work = n * d * ELEMENT_WORK;
      const part = (i: number, count: number) =>
        call(
          numbers.rms_norm,
          y.address + i * d * 4,
          x.address + i * d * 4,
          w.address,
          count,
          d,
          eps,
        );
      share(parts(n, 1, work, part), work);
    },
    add(y, x, n) {
      const c = y.columns;
      const work = n * c * ELEMENT_WORK;
      share(
        parts(n, 1, work, (i, count) =>
          call(numbers.add_rows, y.address + i * c * 4, x.address + i * c * 4, count, c, c),
        ),
        work,
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
      const work = n * heads * d * ELEMENT_WORK;
      const neox = style === 'halves' ? 1 : 0;
      const part = (i: number, count: number) =>
        call(
          numbers.rope,
          x.address + i * heads * d * 4,
          angles.address + i * rotated * 4,
          count,
          heads,
          d,
          rotated,
          neox,
        );
      share(parts(n, 1, work, part), work);
    },
  };
}
