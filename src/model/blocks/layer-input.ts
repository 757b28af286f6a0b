// What Gemma 4 gives each layer of a token beside the hidden states: an embedding of the layer's
// own, which opens as far as the hidden states say: y = W_proj (gelu(W_gate x) * e).
//
// T tokens at hand, D width, P columns of the layer's embedding.
import { applyLinear } from '../linear.ts';
import { type BlockOf, matrix, type Residual } from './block.ts';

export interface LayerInputSpec extends Residual {
  readonly kind: 'layer-input';
  readonly width: number;
}

const tensors = ({ width: P }: LayerInputSpec, D: number) => ({
  gate: matrix('inp_gate', P, D),
  output: matrix('proj', D, P),
});

const room = ({ width: P }: LayerInputSpec) => ({ gate: P });

export const layerInput: BlockOf<LayerInputSpec, typeof tensors, typeof room> = {
  tensors,
  room,
  forward(piece, _, w, s) {
    const { backend, T, layerInput: own } = piece;
    if (!own) throw new RangeError('a layer was given no input of its own');
    applyLinear(piece, [[s.gate, w.gate]], piece.x, piece.before); // [T, P]
    backend.glu(s.gate, s.gate, own, T, 'gelu');
    applyLinear(piece, [[piece.y, w.output]], s.gate, piece.behind); // [T, D]
    return true;
  },
};
