// The plan of who wants a text forwarded and nothing else.
import { full } from '../policy/full.ts';
import type { PlanOptions } from './plan-options.ts';

/** Nothing is evicted, nothing else held. */
export const everything: Omit<PlanOptions, 'budget' | 'blockSize'> = {
  policy: full,
  heads: 'uniform',
  layers: 'uniform',
  alpha: 1,
  sinks: 0,
  safeguard: 0,
  rowType: 'f16',
  positions: 'auto',
  promptTokens: 0,
  recallRows: 0,
  storedCaches: 0,
  seed: 0,
};
