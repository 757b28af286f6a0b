// Qwen3: RMS norms on q and k per head, rotary halves.
import type { Architecture } from './architecture.ts';

export const qwen3: Architecture = {
  name: 'qwen3',
  rope: 'halves',
  qkNorm: true,
  ropeFactors: false,
};
