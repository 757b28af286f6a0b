// GPT-OSS: experts with clamped gates and biases everywhere, attention sinks, and windows in every
// other layer.
import { type Architecture, attentionSpec, layerSpecs } from './architecture.ts';
import { expertKeys, expertsSpec } from './experts.ts';
import { ropeSpec } from './ropes.ts';
import { windowKeys, windowsOf } from './windows.ts';

/** One layer in so many sees all, where the file does not say. */
const PATTERN = 2;

export const gptOss: Architecture = {
  name: 'gpt-oss',
  activation: 'clamped',
  keys: [...windowKeys, ...expertKeys],
  describe(shape, read) {
    const windows = windowsOf(shape, read, PATTERN);
    return {
      ropes: [ropeSpec(shape, read, { style: 'halves' })],
      output: 'own',
      layers: layerSpecs(shape, (layer) => [
        attentionSpec(shape, layer, { window: windows[layer], hasSinks: true }),
        expertsSpec(shape, read, {
          norm: 'post_attention_norm',
          activation: 'clamped',
          gate: 'chosen',
          renormalise: false,
          biased: true,
        }),
      ]),
    };
  },
};
