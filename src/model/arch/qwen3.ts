// Qwen3: RMS norms on q and k per head, rotary halves.
import { type Architecture, plainLayers } from './architecture.ts';

export const qwen3: Architecture = {
  name: 'qwen3',
  activation: 'silu',
  keys: [],
  describe: plainLayers({ style: 'halves' }, () => ({ qkNorm: 'head' })),
};
