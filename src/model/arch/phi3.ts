// Phi 3 and 4: queries, keys and values in one matrix, gate and up in another, longrope. A window
// that files name is not used, as in llama.cpp.
import { type Architecture, attentionSpec, feedForwardSpec, layerSpecs } from './architecture.ts';
import { ropeSpec } from './ropes.ts';

export const phi3: Architecture = {
  name: 'phi3',
  activation: 'silu',
  keys: ['attention.sliding_window'],
  describe: (shape, read) => ({
    ropes: [ropeSpec(shape, read, { style: 'halves', factors: 'long' })],
    layers: layerSpecs(shape, (layer) => [
      attentionSpec(shape, layer),
      feedForwardSpec(shape, layer, { isFused: true }),
    ]),
  }),
};
