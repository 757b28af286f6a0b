// Norms, sums, gates and rotations: what is done number by number, or row by row.
import type { Elements } from '../elements.ts';
import { type Activation, type PlainActivation, SPARSE_DEVIATIONS } from '../product.ts';
import type { Tensor } from '../tensor.ts';
import { wordOffset as word } from './heap.ts';
import { floatWord } from './kernels.ts';
import type { Recorder } from './recorder.ts';

/** Numbers that a workgroup of a plain loop does (shaders' workgroup_size). */
const LANES = 64;

export const groupsFor = (count: number) => Math.ceil(count / LANES);

/** Activations that need no more than a gate, as shaders number them (lib/activation.wgsl). */
export const plainGates: Readonly<Record<PlainActivation, number>> = {
  silu: 0,
  gelu: 1,
  clamped: 2,
};
export const isPlainGate = (activation: Activation): activation is PlainActivation =>
  activation !== 'sparse-gelu';

export function elementOps(recorder: Recorder): Elements {
  const { kernels } = recorder;

  return {
    rmsNorm(y, x, { address: w, columns: d }, n, eps) {
      const isWeighed = w !== undefined;
      recorder.dispatch(
        isWeighed ? kernels.get('rms-norm', 'wr') : kernels.get('unit-norm', 'w'),
        isWeighed ? [y.address, w] : [y.address],
        [word(y.address), word(x.address), word(w ?? 0), n, d, floatWord(eps)],
        n,
        isWeighed ? 4 * d : 0,
      );
    },

    add(y, x, n) {
      const count = n * y.columns;
      recorder.dispatch(
        kernels.get('add', 'w'),
        [y.address],
        [word(y.address), word(x.address), count],
        groupsFor(count),
      );
    },

    scale(y, by, n) {
      const count = n * y.columns;
      recorder.dispatch(
        kernels.get('scale', 'w'),
        [y.address],
        [word(y.address), count, floatWord(by)],
        groupsFor(count),
      );
    },

    multiplyColumns(y, { address: by, columns }, n) {
      const count = n * columns;
      recorder.dispatch(
        kernels.get('multiply-columns', 'wr'),
        [y.address, by],
        [word(y.address), word(by), count, columns],
        groupsFor(count),
        4 * columns,
      );
    },

    ...gateOps(recorder),

    rope(x, { address, rotated, style }, n, heads, d) {
      recorder.dispatch(
        kernels.get('rope', 'w', { PAIRS: style === 'pairs' ? 1 : 0 }),
        [x.address],
        [word(x.address), word(address), n * heads, heads, d, rotated],
        groupsFor((n * heads * rotated) / 2),
      );
    },
  };
}

/** Gates, and what is done to each number by itself. */
function gateOps(
  recorder: Recorder,
): Pick<Elements, 'glu' | 'gateBySigmoid' | 'squaredRelu' | 'softCap'> {
  const { kernels } = recorder;

  /** What change.wgsl does to n rows. */
  function change(HOW: number, y: Tensor, n: number, cap = 0, gate = 0): void {
    const count = n * y.columns;
    const params = [word(y.address), count, floatWord(cap), word(gate)];
    recorder.dispatch(kernels.get('change', 'w', { HOW }), [y.address], params, groupsFor(count));
  }

  return {
    glu(y, gate, up, n, activation) {
      const at = [y, gate, up].map(({ address }) => word(address));
      const count = n * y.columns;
      if (isPlainGate(activation)) {
        const kernel = kernels.get('glu', 'w', { HOW: plainGates[activation] });
        recorder.dispatch(kernel, [y.address], [...at, count], groupsFor(count));
        return;
      }
      const params = [...at, n, y.columns, floatWord(SPARSE_DEVIATIONS)];
      recorder.dispatch(kernels.get('sparse-glu', 'w'), [y.address], params, n);
    },

    gateBySigmoid: (y, gate, n) => change(2, y, n, 0, gate.address),
    squaredRelu: (y, n) => change(0, y, n),
    softCap: (y, cap, n) => change(1, y, n, cap),
  };
}
