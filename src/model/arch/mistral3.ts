// Mistral 3 (Ministral): YaRN with bounds of its own, and queries whose temperature grows with
// their position.
import { type Architecture, attentionSpec, feedForwardSpec, layerSpecs } from './architecture.ts';
import { ropeSpec, yarnMagnitude } from './ropes.ts';

const [KEYS, QUERIES] = [0, 1];
const temperatureKey = 'attention.temperature_scale';
const multiplierKey = 'rope.scaling.yarn_log_multiplier';

export const mistral3: Architecture = {
  name: 'mistral3',
  activation: 'silu',
  keys: [temperatureKey, multiplierKey],
  describe(shape, read) {
    const rope = ropeSpec(shape, read, { style: 'pairs', factors: true, readsBetas: true });
    const multiplier = read.finite(multiplierKey, 0);
    const keys = rope.yarn
      ? { ...rope, magnitude: rope.magnitude! / yarnMagnitude(rope.yarn.factor, multiplier) }
      : rope;
    const scale = read.finite(temperatureKey, 0);
    const length = read.positive('rope.scaling.original_context_length', shape.contextLength);
    const queries = { ...keys, temperature: { scale, length } };
    return {
      ropes: scale === 0 ? [keys] : [keys, queries],
      layers: layerSpecs(shape, (layer) => [
        attentionSpec(shape, layer, {
          rope: KEYS,
          ...(scale !== 0 && { queryRope: QUERIES }),
        }),
        feedForwardSpec(shape, layer),
      ]),
    };
  },
};
