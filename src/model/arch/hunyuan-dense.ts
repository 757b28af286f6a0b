// Hunyuan, dense: q and k are normed behind their rotation.
import { type Architecture, attentionSpec, feedForwardSpec, layerSpecs } from './architecture.ts';
import { ropeSpec } from './ropes.ts';

const alphaKey = 'rope.scaling.alpha';

export const hunyuanDense: Architecture = {
  name: 'hunyuan-dense',
  activation: 'silu',
  keys: [alphaKey],
  describe(shape, read) {
    const rope = ropeSpec(shape, read, { style: 'halves' });
    const alpha = read.finite(alphaKey, 0);
    const { dims } = rope;
    const base = alpha > 0 ? rope.base * alpha ** (dims / (dims - 2)) : rope.base;
    return {
      ropes: [{ ...rope, base }],
      layers: layerSpecs(shape, (layer) => [
        attentionSpec(shape, layer, { qkNorm: 'turned' }),
        feedForwardSpec(shape, layer),
      ]),
    };
  },
};
