// A number that the hidden states are multiplied by: the file's, where a layer ends, or one that
// the architecture says.
import { type BlockOf, number, type Residual } from './block.ts';

export interface LayerScaleSpec extends Residual {
  readonly kind: 'layer-scale';
  /** Default: layer_output_scale, a tensor. */
  readonly by?: number;
}

const tensors = ({ by }: LayerScaleSpec) => ({
  scale: by === undefined ? number('layer_output_scale') : undefined,
});

export const layerScale: BlockOf<LayerScaleSpec, typeof tensors, () => Record<never, number>> = {
  tensors,
  room: () => ({}),
  isInPlace: true,
  forward({ backend, x, T }, { by }, w) {
    backend.scale(x, by ?? w.scale!, T);
    return true;
  },
};
