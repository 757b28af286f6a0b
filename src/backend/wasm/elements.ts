// Norms, sums, gates and rotations: what is done number by number.
import type { Elements } from '../elements.ts';
import { SPARSE_DEVIATIONS } from '../product.ts';
import type { Angles, Tensor } from '../tensor.ts';
import type { Training } from '../training.ts';
import { type Call, call } from './call.ts';
import { type Context, ELEMENT_WORK, shareRows } from './context.ts';

export function elementOps(context: Context): Elements {
  const { kernels, numbers } = context;
  const gates = { silu: numbers.swiglu, gelu: numbers.geglu, clamped: numbers.clamped_glu };
  return {
    rmsNorm(y, x, { address: w = 0, columns: d }, n, eps) {
      shareRows(context, n, d, (i, count) => {
        const at = i * d * 4;
        return call(numbers.rms_norm, y.address + at, x.address + at, w, count, d, eps);
      });
    },
    add(y, x, n) {
      const c = y.columns;
      shareRows(context, n, c, (i, count) =>
        call(numbers.add_rows, y.address + i * c * 4, x.address + i * c * 4, count, c, c),
      );
    },
    scale(y, by, n) {
      kernels.scale_rows(y.address, by, n * y.columns);
    },
    multiplyColumns(y, { address, columns: d }, n) {
      shareRows(context, n, d, (i, count) =>
        call(numbers.multiply_columns, y.address + i * d * 4, address, count, d),
      );
    },
    glu(y, gate, up, n, activation) {
      const c = y.columns;
      shareRows(context, n, c, (i, count) => {
        const [to, g, u] = [y, gate, up].map(({ address }) => address + i * c * 4);
        return activation === 'sparse-gelu'
          ? call(numbers.sparse_geglu, to, g, u, count, c, SPARSE_DEVIATIONS)
          : call(gates[activation], to, g, u, count * c);
      });
    },
    gateBySigmoid(y, gate, n) {
      const c = y.columns;
      shareRows(context, n, c, (i, count) => {
        const at = i * c * 4;
        return call(numbers.gate_by_sigmoid, y.address + at, gate.address + at, count * c);
      });
    },
    squaredRelu(y, n) {
      const c = y.columns;
      shareRows(context, n, c, (i, count) =>
        call(numbers.squared_relu, y.address + i * c * 4, count * c),
      );
    },
    softCap(y, cap, n) {
      kernels.soft_cap(y.address, cap, n * y.columns);
    },
    rope: (x, angles, n, heads, d) => turn(context, x, angles, n, heads, d),
  };
}

/** Rotates n rows of `heads` heads of d by their angles, or back by them. */
function turn(
  context: Context,
  x: Tensor,
  { address, rotated, style }: Angles,
  n: number,
  heads: number,
  d: number,
  back = false,
): void {
  const { rope } = context.numbers;
  const neox = style === 'halves' ? 1 : 0;
  shareRows(context, n, heads * d, (i, count) => {
    const to = x.address + i * heads * d * 4;
    const table = address + i * rotated * 4;
    return call(rope, to, table, count, heads, d, rotated, neox, back ? 1 : 0);
  });
}

/**
 * Most parts of rows whose gradients of a norm's weights are added up apart: the same whoever does
 * the work, so that the sums are.
 */
export const NORM_PARTS = 16;

type ElementGradients = Pick<
  Training,
  'rmsNormGradient' | 'swigluGradient' | 'gegluGradient' | 'ropeGradient'
>;

/** The way back through some of them. */
export function elementGradients(context: Context): ElementGradients {
  const { kernels, numbers, share, scratch } = context;
  const gatedGradient =
    (gelu: boolean): Training['swigluGradient'] =>
    (dgate, dup, dy, gate, up, n) => {
      const c = dy.columns;
      shareRows(context, n, c, (i, count) => {
        const [toGate, toUp, ...from] = [dgate, dup, dy, gate, up].map(
          (t) => t.address + i * c * 4,
        );
        const [d, g, u] = from;
        return call(numbers.gated_backward, toGate, toUp, d, g, u, count * c, gelu ? 1 : 0);
      });
    };
  return {
    rmsNormGradient(dx, dy, x, w, n, eps, { dw, add = false } = {}) {
      const d = w.columns;
      const rows = Math.ceil(n / NORM_PARTS);
      const calls: Call[] = [];
      for (let i = 0; i < n; i += rows) {
        const [to, back, from] = [dx, dy, x].map((t) => t.address + i * d * 4);
        const sums = dw ? scratch.common + calls.length * d * 4 : 0;
        const count = Math.min(rows, n - i);
        const { rms_norm_backward: kernel } = numbers;
        calls.push(call(kernel, to, sums, back, from, w.address, count, d, eps, add ? 1 : 0));
      }
      share(calls, n * d * ELEMENT_WORK);
      if (!dw) return;
      for (const part of calls.keys())
        kernels.add_rows(dw.address, scratch.common + part * d * 4, 1, d, 0);
    },
    swigluGradient: gatedGradient(false),
    gegluGradient: gatedGradient(true),
    ropeGradient: (dx, angles, n, heads, d) => turn(context, dx, angles, n, heads, d, true),
  };
}
