// A feed-forward without a gate: W_down max(W_up h, 0)^2, each token by itself.
//
// T tokens at hand, D width, F its own.
import { applyLinear } from '../linear.ts';
import { type BlockOf, matrix, type Residual } from './block.ts';

export interface UngatedSpec extends Residual {
  readonly kind: 'ungated';
  readonly width: number;
}

const tensors = ({ width: F }: UngatedSpec, D: number) => ({
  up: matrix('ffn_up', F, D),
  down: matrix('ffn_down', D, F),
});

const room = ({ width: F }: UngatedSpec) => ({ up: F });

export const ungated: BlockOf<UngatedSpec, typeof tensors, typeof room> = {
  tensors,
  room,
  forward(piece, _, w, s) {
    applyLinear(piece, [[s.up, w.up]], piece.x, piece.before); // [T, F]
    piece.backend.squaredRelu(s.up, piece.T);
    applyLinear(piece, [[piece.y, w.down]], s.up, piece.behind); // [T, D]
    return true;
  },
};
