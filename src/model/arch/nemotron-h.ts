// Nemotron-H: each layer is one thing, Mamba-2, attention without positions, or a feed-forward of
// squared ReLU.
import { type Architecture, attentionSpec, layerSpecs, ungatedSpec } from './architecture.ts';
import { mamba2Spec, ssmKeys } from './ssm.ts';

export const nemotronH: Architecture = {
  name: 'nemotron_h',
  activation: 'relu-squared',
  // (of layer norms, which there are none of)
  keys: [...ssmKeys, 'attention.layer_norm_epsilon'],
  describe: (shape, read) => ({
    ropes: [],
    layers: layerSpecs(shape, (layer) => {
      if (shape.feedForwardOf[layer] > 0) return [ungatedSpec(shape, layer, { norm: 'attn_norm' })];
      return shape.kvHeadsOf[layer] > 0
        ? [attentionSpec(shape, layer, { rope: undefined })]
        : [mamba2Spec(shape, read)];
    }),
  }),
};
