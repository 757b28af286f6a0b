// What Gemmas give each layer of a token beside the hidden states: an embedding of the layer's own,
// which opens as far as the hidden states say: y = W_proj (gelu(W_gate x) * e).
//
// T tokens at hand, D width, P columns of the layer's embedding.
import { applyLinear } from '../linear.ts';
import { type BlockOf, matrix, type Residual, vector } from './block.ts';

export interface LayerInputSpec extends Residual {
  readonly kind: 'layer-input';
  readonly width: number;
  /** Name of what the columns of x are multiplied by before. */
  readonly inputScale?: string;
}

const tensors = ({ width: P, inputScale }: LayerInputSpec, D: number) => ({
  gate: matrix('inp_gate', P, D),
  output: matrix('proj', D, P),
  inputScale: inputScale === undefined ? undefined : vector(inputScale, D),
});

const room = ({ width: P, inputScale }: LayerInputSpec, D: number) => ({
  gate: P,
  scaled: inputScale === undefined ? 0 : D,
});

export const layerInput: BlockOf<LayerInputSpec, typeof tensors, typeof room> = {
  tensors,
  room,
  forward(piece, _, w, s) {
    const { backend, T, layerInput: own } = piece;
    if (!own) throw new RangeError('a layer was given no input of its own');
    let { x } = piece;
    if (w.inputScale) {
      backend.copy(s.scaled.address, x.address, T * x.columns * 4);
      backend.multiplyColumns(s.scaled, w.inputScale, T);
      x = s.scaled;
    }
    applyLinear(piece, [[s.gate, w.gate]], x, piece.before); // [T, P]
    backend.glu(s.gate, s.gate, own, T, 'gelu');
    applyLinear(piece, [[piece.y, w.output]], s.gate, piece.behind); // [T, D]
    return true;
  },
};
