// Norms, sums, gates and rotations: what is done number by number, or row by row.
import type { Backend } from '../backend.ts';
import { wordOffset as word } from './heap.ts';
import { floatWord } from './kernels.ts';
import type { Recorder } from './recorder.ts';

type ElementOps = Pick<Backend, 'rmsNorm' | 'add' | 'scale' | 'swiglu' | 'geglu' | 'rope'>;

/** Numbers that a workgroup of a plain loop does (shaders' workgroup_size). */
const LANES = 64;

const groupsFor = (count: number) => Math.ceil(count / LANES);

export function elementOps(recorder: Recorder): ElementOps {
  const { kernels } = recorder;
  return {
    rmsNorm(y, x, w, n, eps) {
      const d = w.columns;
      recorder.dispatch(
        kernels.get('rms-norm', 'wr'),
        [y.address, w.address],
        [word(y.address), word(x.address), word(w.address), n, d, floatWord(eps)],
        n,
        4 * d,
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

    swiglu: gate(recorder, 0),
    geglu: gate(recorder, 1),

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

/** y = activation(gate) * up. */
const gate =
  (recorder: Recorder, GELU: 0 | 1): Backend['swiglu'] =>
  (y, gate, up, n) => {
    const count = n * y.columns;
    recorder.dispatch(
      recorder.kernels.get('glu', 'w', { GELU }),
      [y.address],
      [word(y.address), word(gate.address), word(up.address), count],
      groupsFor(count),
    );
  };
