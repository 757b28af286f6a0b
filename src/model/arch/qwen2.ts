// Qwen2 and Qwen2.5: biases on q, k and v (applied wherever a file has them), rotary halves.
import {
  type Architecture,
  attentionSpec,
  feedForwardSpec,
  layerSpecs,
  ropeSpec,
} from './architecture.ts';

export const qwen2: Architecture = {
  name: 'qwen2',
  activation: 'silu',
  keys: [],
  describe: (shape, read) => ({
    ropes: [ropeSpec(shape, read, { style: 'halves' })],
    layers: layerSpecs(shape, () => [attentionSpec(shape), feedForwardSpec(shape)]),
  }),
};
