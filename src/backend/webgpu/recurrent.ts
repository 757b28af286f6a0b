// Recurrent layers on a device: token after token, as a lane has a row of a state to itself.
import type { Recurrent } from '../recurrent.ts';
import { wordOffset as word } from './heap.ts';
import { floatWord } from './kernels.ts';
import type { Recorder } from './recorder.ts';

/** Numbers, channels or rows of states that a workgroup does (shaders' workgroup_size). */
const LANES = 64;

const groupsFor = (count: number) => Math.ceil(count / LANES);

export function recurrentOps(recorder: Recorder): Recurrent {
  const { kernels } = recorder;
  return {
    convolve(y, x, { address: w, columns: K }, state, T, { bias, silu = false } = {}) {
      const C = y.columns;
      const shift = bias?.address ?? w;
      const [to, from, before] = [y.address, x.address, state].map(word);
      recorder.dispatch(
        kernels.get('convolve', 'wrr'),
        [y.address, w, shift],
        [to, from, word(w), word(shift), before, T, C, K, bias ? 1 : 0, silu ? 1 : 0],
        groupsFor(T * C),
        4 * C * K,
      );
      const keep = kernels.get('keep-inputs', 'w');
      recorder.dispatch(keep, [state], [from, before, T, C, K - 1], T > 0 ? groupsFor(C) : 0);
    },
    deltaNet(y, x, alpha, beta, state, T, { keyHeads, valueHeads, headDim: d, a, dtBias, eps }) {
      const at = [y, x, alpha, beta].map(({ address }) => word(address));
      const own = [a, dtBias, a].map(({ address }) => address);
      recorder.dispatch(
        kernels.get('recur', 'wrrr', { DELTA: 1 }),
        [y.address, ...own],
        [...at, word(state), T, valueHeads, keyHeads, d, d, ...own.map(word), floatWord(eps)],
        T > 0 ? valueHeads * groupsFor(d) : 0,
      );
    },
    mamba2(y, x, dt, state, T, { heads, groups, stateSize, a, d, dtBias }) {
      const P = y.columns / heads;
      const at = [y, x, dt, dt].map(({ address }) => word(address));
      const own = [a, dtBias, d].map(({ address }) => address);
      recorder.dispatch(
        kernels.get('recur', 'wrrr', { DELTA: 0 }),
        [y.address, ...own],
        [...at, word(state), T, heads, groups, P, stateSize, ...own.map(word), 0],
        T > 0 ? heads * groupsFor(P) : 0,
      );
    },
    gatedNorm(y, x, gate, { address: w, columns }, T, { eps, groups, order }) {
      const n = x.columns / groups;
      const at = [y.address, x.address, gate.address, w].map(word);
      recorder.dispatch(
        kernels.get('gated-norm', 'wr', { GATE: order === 'gate' ? 1 : 0 }),
        [y.address, w],
        [...at, T * groups, n, columns / n, floatWord(eps)],
        T * groups,
        4 * columns,
      );
    },
    product(y, a, b, T) {
      const count = T * y.columns;
      const at = [y, a, b].map(({ address }) => word(address));
      recorder.dispatch(kernels.get('product', 'w'), [y.address], [...at, count], groupsFor(count));
    },
  };
}
