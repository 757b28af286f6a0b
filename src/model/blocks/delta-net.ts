// A gated delta net (Qwen3.5; arXiv 2412.06464): q, k and v through a short convolution, then into
// a matrix a value head that is decayed, corrected by what it says of the key already, and asked
// for the query; what it answers is normed and gated.
//
// T tokens at hand, D width, Hk and Hv heads of d for keys (and queries) and values.
import { applyLinear } from '../linear.ts';
import { type BlockOf, matrix, type Residual, vector } from './block.ts';
import { recurrentOf, stateOf } from './state.ts';

export interface DeltaNetSpec extends Residual {
  readonly kind: 'delta-net';
  readonly keyHeads: number;
  readonly valueHeads: number;
  readonly headDim: number;
  /** Of the convolution. */
  readonly taps: number;
}

/** Columns of q, k and v together, and of v. */
const columnsOf = ({ keyHeads, valueHeads, headDim: d }: DeltaNetSpec) => ({
  all: (2 * keyHeads + valueHeads) * d,
  values: valueHeads * d,
});

const tensors = (spec: DeltaNetSpec, D: number) => {
  const { all, values } = columnsOf(spec);
  const { valueHeads: Hv, headDim: d, taps } = spec;
  return {
    qkv: matrix('attn_qkv', all, D),
    gate: matrix('attn_gate', values, D),
    alpha: matrix('ssm_alpha', Hv, D),
    beta: matrix('ssm_beta', Hv, D),
    taps: vector('ssm_conv1d', taps, { rows: all }),
    dtBias: vector('ssm_dt', Hv, { suffix: '.bias' }),
    a: vector('ssm_a', Hv, { suffix: '' }),
    norm: vector('ssm_norm', d),
    output: matrix('ssm_out', D, values),
  };
};

const room = (spec: DeltaNetSpec) => {
  const { all, values } = columnsOf(spec);
  const { valueHeads: Hv } = spec;
  return { qkv: all, mixed: all, gate: values, values, alpha: Hv, beta: Hv };
};

/** Numbers of the convolution's state, and of the heads'. */
const statesOf = (spec: DeltaNetSpec) => ({
  taps: (spec.taps - 1) * columnsOf(spec).all,
  heads: spec.valueHeads * spec.headDim ** 2,
});

export const deltaNet: BlockOf<DeltaNetSpec, typeof tensors, typeof room> = {
  tensors,
  room,
  scratch: ({ headDim }) => ({ recurrentKeys: headDim }),
  state: (spec) => statesOf(spec).taps + statesOf(spec).heads,
  forward(piece, spec, w, s) {
    if (piece.pass.queriesOnly && piece.isLast) return false;
    const { backend, T, normEps: eps } = piece;
    const { keyHeads, valueHeads, headDim } = spec;
    const recurrent = recurrentOf(backend);
    const products = [
      [s.qkv, w.qkv], // [T, (2 Hk + Hv) d]
      [s.gate, w.gate], // [T, Hv d]
      [s.alpha, w.alpha], // [T, Hv]
      [s.beta, w.beta],
    ] as const;
    applyLinear(piece, products, piece.x, piece.before);
    const state = stateOf(piece);
    recurrent.convolve(s.mixed, s.qkv, w.taps, state, T, { silu: true });
    const heads = state + 4 * statesOf(spec).taps;
    const { a, dtBias } = w;
    const shape = { keyHeads, valueHeads, headDim, a, dtBias, eps };
    recurrent.deltaNet(s.values, s.mixed, s.alpha, s.beta, heads, T, shape); // [T, Hv d]
    const how = { eps, groups: valueHeads, order: 'norm' } as const;
    recurrent.gatedNorm(s.values, s.values, s.gate, w.norm, T, how);
    applyLinear(piece, [[piece.y, w.output]], s.values, piece.behind); // [T, D]
    return true;
  },
};
