// Falcon-H1: attention and Mamba-2 beside each other in each layer.
import { type Architecture, attentionSpec, feedForwardSpec, layerSpecs } from './architecture.ts';
import { ropeSpec } from './ropes.ts';
import { mamba2Spec, ssmKeys } from './ssm.ts';

export const falconH1: Architecture = {
  name: 'falcon-h1',
  activation: 'silu',
  keys: ssmKeys,
  describe: (shape, read) => ({
    ropes: [ropeSpec(shape, read, { style: 'halves' })],
    layers: layerSpecs(shape, (layer) => [
      attentionSpec(shape, layer),
      mamba2Spec(shape, read, { beside: {} }),
      // (its files have no '.weight' behind this name)
      feedForwardSpec(shape, layer, { normSuffix: '' }),
    ]),
  }),
};
