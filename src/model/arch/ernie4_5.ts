// ERNIE 4.5: a llama by another name.
import { type Architecture, plainLayers } from './architecture.ts';

export const ernie4_5: Architecture = {
  name: 'ernie4_5',
  activation: 'silu',
  keys: [],
  describe: plainLayers({ style: 'pairs' }),
};
