// Llama 1 to 3, SmolLM, Mistral and others: interleaved rotary pairs, Llama 3 with a factor for
// each of their frequencies.
import {
  type Architecture,
  attentionSpec,
  feedForwardSpec,
  layerSpecs,
  ropeSpec,
} from './architecture.ts';

export const llama: Architecture = {
  name: 'llama',
  activation: 'silu',
  keys: [],
  describe: (shape, read) => ({
    ropes: [ropeSpec(shape, read, { style: 'pairs', factors: true })],
    layers: layerSpecs(shape, () => [attentionSpec(shape), feedForwardSpec(shape)]),
  }),
};
