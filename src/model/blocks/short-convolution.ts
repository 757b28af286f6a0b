// The short convolution of LFM2: y = W_out (c * conv(b * x)), b, c and x three products of the
// input, the convolution causal and each channel's own. Its state are the last inputs of the
// convolution.
//
// T tokens at hand, D width, K taps.
import { applyLinear } from '../linear.ts';
import { type BlockOf, fused, matrix, type Residual, vector } from './block.ts';
import { recurrentOf, stateOf } from './state.ts';

export interface ShortConvolutionSpec extends Residual {
  readonly kind: 'short-convolution';
  readonly width: number;
  readonly taps: number;
}

const tensors = ({ width, taps }: ShortConvolutionSpec, D: number) => {
  const [b, c, x] = fused('shortconv.in_proj', [width, width, width], D);
  return {
    b,
    c,
    x,
    taps: vector('shortconv.conv', taps, { rows: width }),
    output: matrix('shortconv.out_proj', D, width, { biased: true }),
  };
};

const room = ({ width }: ShortConvolutionSpec) => ({ b: width, c: width, x: width, mixed: width });

export const shortConvolution: BlockOf<ShortConvolutionSpec, typeof tensors, typeof room> = {
  tensors,
  room,
  state: ({ width, taps }) => (taps - 1) * width,
  forward(piece, _, w, s) {
    if (piece.pass.queriesOnly && piece.isLast) return false;
    const { backend, T } = piece;
    const recurrent = recurrentOf(backend);
    const products = [
      [s.b, w.b],
      [s.c, w.c],
      [s.x, w.x],
    ] as const;
    applyLinear(piece, products, piece.x, piece.before); // [T, D] each
    recurrent.product(s.x, s.b, s.x, T);
    recurrent.convolve(s.mixed, s.x, w.taps, stateOf(piece), T);
    recurrent.product(s.mixed, s.c, s.mixed, T);
    applyLinear(piece, [[piece.y, w.output]], s.mixed, piece.behind); // [T, D]
    return true;
  },
};
