// The gated feed-forward block: W_down (activation(W_gate h) * W_up h), each token by itself.
//
// T tokens at hand, D width, F its own.
import type { Activation } from '../../backend/backend.ts';
import type { Tensor } from '../../backend/tensor.ts';
import { applyGated, applyLinear, linearGradient, type Output } from '../linear.ts';
import {
  type BlockOf,
  type Bound,
  fused,
  type Learning,
  matrix,
  type Residual,
  vector,
} from './block.ts';

export interface FeedForwardSpec extends Residual {
  readonly kind: 'feed-forward';
  readonly width: number;
  readonly activation: Activation;
  /** Whether the file has gate and up as one matrix, ffn_up. */
  readonly isFused?: boolean;
  /** Name of an RMS norm of what was gated, before the matrix down. */
  readonly subNorm?: string;
  /** What the names of its matrices end with. Default: nothing. */
  readonly suffix?: string;
}

const tensors = ({ width: F, isFused, subNorm, suffix = '' }: FeedForwardSpec, D: number) => {
  const [gate, up] = isFused
    ? fused(`ffn_up${suffix}`, [F, F], D)
    : [matrix(`ffn_gate${suffix}`, F, D), matrix(`ffn_up${suffix}`, F, D)];
  return {
    gate,
    up,
    down: matrix(`ffn_down${suffix}`, D, F),
    subNorm: subNorm === undefined ? undefined : vector(subNorm, F),
  };
};

const room = ({ width: F }: FeedForwardSpec) => ({ gate: F, up: F });

/** What is multiplied elementwise, both [T, F]. */
const gatesOf = (
  w: Bound<ReturnType<typeof tensors>>,
  s: Readonly<Record<'gate' | 'up', Tensor>>,
): readonly [Output, Output] => [
  [s.gate, w.gate],
  [s.up, w.up],
];

const learning: Learning<
  FeedForwardSpec,
  ReturnType<typeof tensors>,
  'gate' | 'up' | 'gated' | 'dgated'
> = {
  kept: ({ width: F }) => ({ gate: F, up: F }),
  spare: ({ width: F }) => ({ gated: F, dgated: F }),
  forward(batch, { activation }, w, s, y) {
    applyLinear(batch, gatesOf(w, s), batch.h);
    batch.backend.glu(s.gated, s.gate, s.up, batch.T, activation);
    applyLinear(batch, [[y, w.down]], s.gated); // [T, D]
  },
  backward(batch, { activation }, w, s, dy, dh) {
    const { backend, training, T, h } = batch;
    backend.glu(s.gated, s.gate, s.up, T, activation);
    linearGradient(batch, [[dy, w.down]], s.gated, s.dgated);
    // [T, F]: gradients take the places of what they belong to
    const [dgate, dup] = [s.gated, s.dgated];
    if (activation === 'silu') training.swigluGradient(dgate, dup, s.dgated, s.gate, s.up, T);
    else training.gegluGradient(dgate, dup, s.dgated, s.gate, s.up, T);
    linearGradient(
      batch,
      [
        [dgate, w.gate],
        [dup, w.up],
      ],
      h,
      dh,
    );
  },
};

export const feedForward: BlockOf<FeedForwardSpec, typeof tensors, typeof room> = {
  tensors,
  room,
  forward(piece, { activation }, w, s) {
    applyGated(piece, s.gate, gatesOf(w, s), activation, piece.x, piece.before); // [T, F]
    if (w.subNorm) piece.backend.rmsNorm(s.gate, s.gate, w.subNorm, piece.T, piece.normEps);
    applyLinear(piece, [[piece.y, w.down]], s.gate, piece.behind); // [T, D]
    return true;
  },
  learning,
  unlearned({ isFused, subNorm, activation }) {
    if (isFused) return 'a fused gate';
    if (subNorm !== undefined) return 'a norm behind its gates';
    return activation === 'silu' || activation === 'gelu' ? undefined : `gates by ${activation}`;
  },
};
