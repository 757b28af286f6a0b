// Qwen2 and Qwen2.5: biases on q, k and v (applied wherever a file has them), rotary halves.
import { type Architecture, plainLayers } from './architecture.ts';

export const qwen2: Architecture = {
  name: 'qwen2',
  activation: 'silu',
  keys: [],
  describe: plainLayers({ style: 'halves' }),
};
