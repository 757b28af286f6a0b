// SmolLM3: a llama whose every fourth layer knows no positions; no key says so.
import { type Architecture, plainLayers } from './architecture.ts';

/** Layers from one without RoPE to the next. */
const STEP = 4;

export const smollm3: Architecture = {
  name: 'smollm3',
  activation: 'silu',
  keys: [],
  describe: plainLayers({ style: 'pairs' }, (layer) => ({
    rope: (layer + 1) % STEP === 0 ? undefined : 0,
  })),
};
