// BitNet: norms inside attention and feed-forward, and a number that each matrix is multiplied by.
import { type Architecture, attentionSpec, feedForwardSpec, layerSpecs } from './architecture.ts';
import { ropeSpec } from './ropes.ts';

export const bitnet: Architecture = {
  name: 'bitnet',
  activation: 'silu',
  keys: [],
  describe: (shape, read) => ({
    ropes: [ropeSpec(shape, read, { style: 'halves' })],
    output: 'tied',
    layers: layerSpecs(shape, (layer) => [
      attentionSpec(shape, layer, { subNorm: 'attn_sub_norm' }),
      feedForwardSpec(shape, layer, { subNorm: 'ffn_sub_norm' }),
    ]),
  }),
};
