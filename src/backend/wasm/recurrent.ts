// Recurrent layers: channels, rows and heads are what threads share. A head is computed within one
// call, so that its bits are the same whoever makes it; heads that read the same keys go together,
// as far as there are others for the other threads.
import type { Recurrent } from '../recurrent.ts';
import { type Call, call, SCRATCH } from './call.ts';
import { type Context, ELEMENT_WORK, shareRows } from './context.ts';

/** Channels that threads do not share: a cache line of f32. */
const LINE = 16;
/** Multiply-adds that a number of a state counts as: read by keys and queries, and renewed. */
const STATE_WORK = 4;

export function recurrentOps(context: Context): Recurrent {
  const { numbers, share, parts } = context;
  return {
    convolve(y, x, w, state, T, { bias, silu = false } = {}) {
      const [C, K] = [y.columns, w.columns];
      const work = T * C * (K + (silu ? ELEMENT_WORK : 0));
      const part = (c: number, count: number) => {
        const [to, from] = [y, x].map(({ address }) => address + c * 4);
        const shift = bias ? bias.address + c * 4 : 0;
        const taps = w.address + c * K * 4;
        const shape = [T, count, K, C, silu ? 1 : 0] as const;
        return call(numbers.convolve, to, from, taps, shift, state + c * 4, SCRATCH, ...shape);
      };
      share(parts(C, LINE, work, part), work);
    },
    ...headOps(context),
    gatedNorm(y, x, gate, w, T, { eps, groups, order }) {
      const C = x.columns;
      shareRows(context, T, C, (t, count) => {
        const [to, from, by] = [y, x, gate].map(({ address }) => address + t * C * 4);
        const n = C / groups;
        const shape = [count * groups, n, w.columns / n, eps, order === 'gate' ? 1 : 0] as const;
        return call(numbers.gated_norm, to, from, by, w.address, ...shape);
      });
    },
    product(y, a, b, T) {
      const C = y.columns;
      shareRows(context, T, C, (t, count) => {
        const [to, left, right] = [y, a, b].map(({ address }) => address + t * C * 4);
        return call(numbers.multiply_rows, to, left, right, count * C);
      });
    },
  };
}

/** Recurrences over a matrix a head. */
function headOps(context: Context): Pick<Recurrent, 'deltaNet' | 'mamba2'> {
  const { numbers, share, parts } = context;

  /**
   * Makes calls for heads that read one of `keys` keys each, `heads` in all, states of `state`
   * numbers: of each key some heads, its number-th and on.
   */
  const shareHeads = (
    T: number,
    keys: number,
    heads: number,
    state: number,
    part: (key: number, number: number, count: number) => Call,
  ) => {
    const work = T * heads * state * STATE_WORK;
    const each = heads / keys;
    const calls: Call[] = [];
    for (let key = 0; key < keys; key++)
      calls.push(...parts(each, 1, work, (number, count) => part(key, number, count), heads));
    share(calls, work);
  };

  return {
    deltaNet(y, x, alpha, beta, state, T, { keyHeads, valueHeads, headDim: d, a, dtBias, eps }) {
      const inputs = [y, x, alpha, beta].map(({ address }) => address);
      const [to, from, odds, rates] = inputs;
      shareHeads(T, keyHeads, valueHeads, d * d, (key, number, count) => {
        const first = key + number * keyHeads;
        const of = [a.address, dtBias.address, SCRATCH] as const;
        const shape = [T, keyHeads, valueHeads, d, first, count, eps] as const;
        return call(numbers.delta_net, to, from, odds, rates, state, ...of, ...shape);
      });
    },
    mamba2(y, x, dt, state, T, { heads, groups, stateSize, a, d, dtBias }) {
      const P = y.columns / heads;
      shareHeads(T, groups, heads, P * stateSize, (group, number, count) => {
        const first = group * (heads / groups) + number;
        const [to, from, steps] = [y, x, dt].map(({ address }) => address);
        const of = [a.address, d.address, dtBias.address, SCRATCH] as const;
        const shape = [T, heads, groups, P, stateSize, first, count] as const;
        return call(numbers.mamba2, to, from, steps, state, ...of, ...shape);
      });
    },
  };
}
