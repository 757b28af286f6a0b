// KeyDiff (arXiv 2504.15364): s_i = -cos(k_i, mean_j k_j / norm2(k_j)), per kv head.
import { definePolicy } from './define.ts';
import { negate } from './score.ts';

export const keydiff = definePolicy({
  name: 'keydiff',
  summary: 'rows whose keys differ most from the mean direction (arXiv 2504.15364)',
  score: ({ out, cached }, ops) => negate(ops.keyCosines(out, cached), ops),
});
