// Laurel (arXiv 2411.07501): a learned residual of low rank, y = h + norm(W_r W_l h), h the normed
// input.
//
// T tokens at hand, D width, r rank.
import { applyLinear } from '../linear.ts';
import { type BlockOf, matrix, type Residual, vector } from './block.ts';

export interface LaurelSpec extends Residual {
  readonly kind: 'laurel';
  readonly norm: string;
  readonly rank: number;
}

const tensors = ({ rank }: LaurelSpec, D: number) => ({
  down: matrix('laurel_l', rank, D),
  up: matrix('laurel_r', D, rank),
  outputNorm: vector('laurel_post_norm', D),
});

const room = ({ rank }: LaurelSpec, D: number) => ({ h: D, low: rank });

export const laurel: BlockOf<LaurelSpec, typeof tensors, typeof room> = {
  tensors,
  room,
  forward(piece, _, w, s) {
    const { backend, T, x, y, before, normEps } = piece;
    backend.rmsNorm(s.h, x, before!.norm.w, T, normEps);
    applyLinear(piece, [[s.low, w.down]], s.h); // [T, r]
    applyLinear(piece, [[y, w.up]], s.low); // [T, D]
    backend.rmsNorm(y, y, w.outputNorm, T, normEps);
    backend.add(y, s.h, T);
    return true;
  },
};
