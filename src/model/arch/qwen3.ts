// Qwen3: RMS norms on q and k per head, rotary halves.
import {
  type Architecture,
  attentionSpec,
  feedForwardSpec,
  layerSpecs,
  ropeSpec,
} from './architecture.ts';

export const qwen3: Architecture = {
  name: 'qwen3',
  activation: 'silu',
  keys: [],
  describe: (shape, read) => ({
    ropes: [ropeSpec(shape, read, { style: 'halves' })],
    layers: layerSpecs(shape, () => [
      attentionSpec(shape, { qkNorm: true }),
      feedForwardSpec(shape),
    ]),
  }),
};
