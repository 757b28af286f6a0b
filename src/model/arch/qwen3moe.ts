// Qwen3 with experts.
import { type Architecture, attentionSpec, layerSpecs } from './architecture.ts';
import { expertKeys, expertsSpec } from './experts.ts';
import { ropeSpec } from './ropes.ts';

export const qwen3moe: Architecture = {
  name: 'qwen3moe',
  activation: 'silu',
  keys: expertKeys,
  describe(shape, read) {
    const used = read.count('expert_used_count', shape.feedForward);
    const width = Math.floor(shape.feedForward / used);
    const own = { ...shape, feedForward: width };
    return {
      ropes: [ropeSpec(shape, read, { style: 'halves' })],
      layers: layerSpecs(shape, (layer) => [
        attentionSpec(shape, layer, { qkNorm: 'head' }),
        expertsSpec(own, read),
      ]),
    };
  },
};
