// Arcee (AFM): a llama whose feed-forward is squared ReLU, without a gate.
import { type Architecture, attentionSpec, layerSpecs, ungatedSpec } from './architecture.ts';
import { ropeSpec } from './ropes.ts';

export const arcee: Architecture = {
  name: 'arcee',
  activation: 'relu-squared',
  keys: [],
  describe: (shape, read) => ({
    ropes: [ropeSpec(shape, read, { style: 'pairs', factors: true })],
    layers: layerSpecs(shape, (layer) => [attentionSpec(shape, layer), ungatedSpec(shape, layer)]),
  }),
};
