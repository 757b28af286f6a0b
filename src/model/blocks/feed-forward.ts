// The gated feed-forward block: W_down (activation(W_gate h) * W_up h), each token by itself.
//
// T tokens at hand, D width, F its own.
import { applyLinear, linearGradient } from '../linear.ts';
import type { Tensor } from '../../backend/tensor.ts';
import {
  type BlockOf,
  type Bound,
  type Learning,
  matrix,
  type Piece,
  type Residual,
} from './block.ts';

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

type Weights = Bound<ReturnType<typeof tensors>>;
type Rooms = Readonly<Record<'gate' | 'up', Tensor>>;
type Tokens = Pick<Piece, 'backend' | 'T' | 'h' | 'adapterRoom'>;

/** y = f(h); what goes into W_down stays in `gated`, which may be the gate's place. */
function apply(
  tokens: Tokens,
  spec: FeedForwardSpec,
  w: Weights,
  s: Rooms,
  gated: Tensor,
  y: Tensor,
): void {
  const { backend, T, h, adapterRoom } = tokens;
  const gates = [
    [s.gate, w.gate], // [T, F]
    [s.up, w.up], // [T, F]
  ] as const;
  applyLinear(backend, gates, h, T, adapterRoom);
  activate(tokens, spec, s, gated);
  applyLinear(backend, [[y, w.down]], gated, T, adapterRoom); // [T, D]
}

/** gated = activation(gate) * up. */
function activate(
  { backend, T }: Tokens,
  { activation }: FeedForwardSpec,
  s: Rooms,
  gated: Tensor,
): void {
  if (activation === 'silu') backend.swiglu(gated, s.gate, s.up, T);
  else backend.geglu(gated, s.gate, s.up, T);
}

const learning: Learning<
  FeedForwardSpec,
  ReturnType<typeof tensors>,
  'gate' | 'up' | 'gated' | 'dgated'
> = {
  kept: ({ width: F }) => ({ gate: F, up: F }),
  spare: ({ width: F }) => ({ gated: F, dgated: F }),
  forward(batch, spec, w, s, y) {
    apply(batch, spec, w, s, s.gated, y);
  },
  backward(batch, spec, w, s, dy, dh) {
    const { training, T, h } = batch;
    const { activation } = spec;
    activate(batch, spec, s, s.gated);
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
  forward(piece, spec, w, s) {
    apply(piece, spec, w, s, s.gate, piece.y);
    return true;
  },
  learning,
};
