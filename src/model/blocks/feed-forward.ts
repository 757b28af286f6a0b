// The gated feed-forward block: W_down (activation(W_gate h) * W_up h), each token by itself.
//
// T tokens at hand, D width, F its own.
import { applyLinear } from '../linear.ts';
import { type Block, matrix, type Residual } from './block.ts';

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

export const feedForward: Block<
  FeedForwardSpec,
  ReturnType<typeof tensors>,
  keyof ReturnType<typeof room>
> = {
  tensors,
  room,
  forward({ backend, T, h, y }, { activation }, w, s) {
    const gates = [
      [s.gate, w.gate], // [T, F]
      [s.up, w.up], // [T, F]
    ] as const;
    applyLinear(backend, gates, h, T);
    if (activation === 'silu') backend.swiglu(s.gate, s.gate, s.up, T);
    else backend.geglu(s.gate, s.gate, s.up, T);
    applyLinear(backend, [[y, w.down]], s.gate, T); // [T, D]
    return true;
  },
};
