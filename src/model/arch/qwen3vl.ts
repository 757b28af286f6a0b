// Qwen3-VL, its text: Qwen3 whose positions have several dimensions.
import { type Architecture, attentionSpec, feedForwardSpec, layerSpecs } from './architecture.ts';
import { ropeSpec } from './ropes.ts';
import { sectionKey, stillPairs } from './sections.ts';

export const qwen3vl: Architecture = {
  name: 'qwen3vl',
  activation: 'silu',
  keys: [sectionKey],
  describe: (shape, read) => ({
    ropes: [{ ...ropeSpec(shape, read, { style: 'halves' }), still: stillPairs(shape, read) }],
    layers: layerSpecs(shape, (layer) => [
      attentionSpec(shape, layer, { qkNorm: 'head' }),
      feedForwardSpec(shape, layer),
    ]),
  }),
};
