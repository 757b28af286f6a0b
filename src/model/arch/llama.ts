// Llama 1 to 3, SmolLM, Mistral and others: interleaved rotary pairs, Llama 3 with a factor for
// each of their frequencies.
import { type Architecture, plainLayers } from './architecture.ts';

export const llama: Architecture = {
  name: 'llama',
  activation: 'silu',
  keys: [],
  describe: plainLayers({ style: 'pairs', factors: true }),
};
