// AltUp (arXiv 2301.13310): where a layer begins, each stream of the hidden states is predicted as
// a mixture of all; where it ends, each is corrected by what the layer made of the first. How much
// is up to a router, which reads the first stream: y_o = x_o + sum_i c_oi x_i, and x_s = y_s + (1 +
// c_s) (x_0 - y_0), c = W_coef tanh(W_router norm(x_0) / D).
//
// T tokens at hand, D width, S streams.
import { applyLinear } from '../linear.ts';
import { type BlockOf, matrix, type Residual } from './block.ts';

export interface AltUpSpec extends Residual {
  readonly kind: 'altup';
  readonly step: 'predict' | 'correct';
  readonly streams: number;
}

/** Coefficients of a token. */
const countOf = ({ step, streams: S }: AltUpSpec) => (step === 'predict' ? S * S : S);

const tensors = (spec: AltUpSpec, D: number) => ({
  router: matrix('altup_router', spec.streams, D),
  coefficients: matrix(`altup_${spec.step}_coef`, countOf(spec), spec.streams),
});

const room = (spec: AltUpSpec, D: number) => ({
  routed: spec.streams,
  coefficients: countOf(spec),
  // from the one step to the other
  predicted: spec.streams * D,
});

export const altup: BlockOf<AltUpSpec, typeof tensors, typeof room> = {
  tensors,
  room,
  isInPlace: true,
  forward(piece, { step }, w, s) {
    const { backend, T, x, streams } = piece;
    if (!streams) throw new RangeError('a layer was given one stream of hidden states');
    applyLinear(piece, [[s.routed, w.router]], x, piece.before); // [T, S]
    backend.scale(s.routed, 1 / x.columns, T);
    backend.softCap(s.routed, 1, T); // tanh
    applyLinear(piece, [[s.coefficients, w.coefficients]], s.routed);
    const predicted = { ...streams, address: s.predicted.address };
    if (step === 'correct') backend.correctStreams(streams, predicted, s.coefficients, T);
    else {
      backend.predictStreams(predicted, streams, s.coefficients, T);
      backend.copy(x.address, predicted.address, T * x.columns * 4);
    }
    return true;
  },
};
