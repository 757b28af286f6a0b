// The gated feed-forward block: W_down (activation(W_gate h) * W_up h), each token by itself.
//
// T tokens at hand, D width, F its own.
import { applyLinear, linearGradient } from '../linear.ts';
import { type Block, type Learning, matrix, type Residual } from './block.ts';

export interface FeedForwardSpec extends Residual {
  readonly kind: 'feed-forward';
  readonly width: number;
  readonly activation: 'silu' | 'gelu';
}

const tensors = ({ width: F }: FeedForwardSpec, D: number) => ({
  gate: matrix('ffn_gate', F, D),
  up: matrix('ffn_up', F, D),
  down: matrix('ffn_down', D, F),
});

const room = ({ width: F }: FeedForwardSpec) => ({ gate: F, up: F });

const learning: Learning<
  FeedForwardSpec,
  ReturnType<typeof tensors>,
  'gate' | 'up' | 'gated' | 'dgated'
> = {
  kept: ({ width: F }) => ({ gate: F, up: F }),
  spare: ({ width: F }) => ({ gated: F, dgated: F }),
  forward({ backend, T, adapterRoom, h }, { activation }, w, s, y) {
    const gates = [
      [s.gate, w.gate], // [T, F]
      [s.up, w.up], // [T, F]
    ] as const;
    applyLinear(backend, gates, h, T, adapterRoom);
    if (activation === 'silu') backend.swiglu(s.gated, s.gate, s.up, T);
    else backend.geglu(s.gated, s.gate, s.up, T);
    applyLinear(backend, [[y, w.down]], s.gated, T, adapterRoom); // [T, D]
  },
  backward(batch, { activation }, w, s, dy, dh) {
    const { backend, training, T, h } = batch;
    if (activation === 'silu') backend.swiglu(s.gated, s.gate, s.up, T);
    else backend.geglu(s.gated, s.gate, s.up, T);
    linearGradient(batch, [[dy, w.down]], s.gated, s.dgated);
    // [T, F]: gradients take the places of what they belong to
    const [dgate, dup] = [s.gated, s.dgated];
    if (activation === 'silu') training.swigluGradient(dgate, dup, s.dgated, s.gate, s.up, T);
    else training.gegluGradient(dgate, dup, s.dgated, s.gate, s.up, T);
    const gates = [
      [dgate, w.gate],
      [dup, w.up],
    ] as const;
    linearGradient(batch, gates, h, dh);
  },
};

export const feedForward: Block<
  FeedForwardSpec,
  ReturnType<typeof tensors>,
  keyof ReturnType<typeof room>
> = {
  tensors,
  room,
  forward({ backend, T, h, y, adapterRoom }, { activation }, w, s) {
    const gates = [
      [s.gate, w.gate], // [T, F]
      [s.up, w.up], // [T, F]
    ] as const;
    applyLinear(backend, gates, h, T, adapterRoom);
    if (activation === 'silu') backend.swiglu(s.gate, s.gate, s.up, T);
    else backend.geglu(s.gate, s.gate, s.up, T);
    applyLinear(backend, [[y, w.down]], s.gate, T, adapterRoom); // [T, D]
    return true;
  },
  learning,
};
