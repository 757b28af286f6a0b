// Mamba-2 (arXiv 2405.21060): x, B and C through a short convolution, then into a state a head that
// decays by a step of its own; what it says is gated, and normed in groups.
//
// T tokens at hand, D width, I inner width, H heads, G groups of them that share B and C of N.
import { applyLinear } from '../linear.ts';
import { type BlockOf, fused, matrix, type Residual, vector } from './block.ts';
import { recurrentOf, stateOf } from './state.ts';

export interface Mamba2Spec extends Residual {
  readonly kind: 'mamba2';
  readonly inner: number;
  readonly heads: number;
  readonly groups: number;
  readonly stateSize: number;
  /** Of the convolution. */
  readonly taps: number;
}

/** Columns of x, B and C. */
const mixedOf = ({ inner, groups, stateSize }: Mamba2Spec) => inner + 2 * groups * stateSize;

const tensors = (spec: Mamba2Spec, D: number) => {
  const { inner: I, heads: H, groups: G, taps } = spec;
  const mixed = mixedOf(spec);
  const [gate, xbc, dt] = fused('ssm_in', [I, mixed, H], D);
  return {
    gate,
    xbc,
    dt,
    taps: vector('ssm_conv1d', taps, { rows: mixed }),
    tapsBias: vector('ssm_conv1d', mixed, { suffix: '.bias' }),
    dtBias: vector('ssm_dt', H, { suffix: '.bias' }),
    a: vector('ssm_a', H, { suffix: '' }),
    d: vector('ssm_d', H, { suffix: '' }),
    norm: vector('ssm_norm', I / G, { rows: G }),
    output: matrix('ssm_out', D, I),
  };
};

const room = (spec: Mamba2Spec) => ({
  gate: spec.inner,
  xbc: mixedOf(spec),
  mixed: mixedOf(spec),
  dt: spec.heads,
  inner: spec.inner,
});

/** Numbers of the convolution's state, and of the heads'. */
const statesOf = (spec: Mamba2Spec) => ({
  taps: (spec.taps - 1) * mixedOf(spec),
  heads: spec.inner * spec.stateSize,
});

export const mamba2: BlockOf<Mamba2Spec, typeof tensors, typeof room> = {
  tensors,
  room,
  scratch: ({ stateSize }) => ({ recurrentKeys: stateSize }),
  state: (spec) => statesOf(spec).taps + statesOf(spec).heads,
  forward(piece, spec, w, s) {
    if (piece.pass.queriesOnly && piece.isLast) return false;
    const { backend, T, normEps: eps } = piece;
    const { heads, groups, stateSize, inner } = spec;
    const recurrent = recurrentOf(backend);
    const products = [
      [s.gate, w.gate], // [T, I]
      [s.xbc, w.xbc], // [T, I + 2 G N]
      [s.dt, w.dt], // [T, H]
    ] as const;
    applyLinear(piece, products, piece.x, piece.before);
    const state = stateOf(piece);
    const how = { bias: w.tapsBias, silu: true };
    recurrent.convolve(s.mixed, s.xbc, w.taps, state, T, how);
    const { a, d, dtBias } = w;
    const shape = { heads, groups, stateSize, a, d, dtBias };
    recurrent.mamba2(s.inner, s.mixed, s.dt, state + 4 * statesOf(spec).taps, T, shape); // [T, I]
    const norm = { ...w.norm, columns: inner };
    recurrent.gatedNorm(s.inner, s.inner, s.gate, norm, T, { eps, groups, order: 'gate' });
    applyLinear(piece, [[piece.y, w.output]], s.inner, piece.behind); // [T, D]
    return true;
  },
};
