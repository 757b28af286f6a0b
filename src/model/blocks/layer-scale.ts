// A number that the hidden states are multiplied by where a layer ends.
import { type BlockOf, number, type Residual } from './block.ts';

export interface LayerScaleSpec extends Residual {
  readonly kind: 'layer-scale';
}

const tensors = () => ({ scale: number('layer_output_scale') });

export const layerScale: BlockOf<LayerScaleSpec, typeof tensors, () => Record<never, number>> = {
  tensors,
  room: () => ({}),
  isInPlace: true,
  forward({ backend, x, T }, _, w) {
    backend.scale(x, w.scale, T);
    return true;
  },
};
