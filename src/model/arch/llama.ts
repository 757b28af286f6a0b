// Llama 1 to 3, SmolLM, Mistral and others: interleaved rotary pairs.
import type { Architecture } from './architecture.ts';

export const llama: Architecture = {
  name: 'llama',
  rope: 'pairs',
  qkNorm: false,
  ropeFactors: true,
};
