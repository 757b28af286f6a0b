// K-norm (arXiv 2406.11430): keys of small length draw attention; s_i = -norm2(k_i).
import { definePolicy } from './define.ts';
import { negate } from './score.ts';

export const knorm = definePolicy({
  name: 'knorm',
  summary: 'rows with the shortest keys (arXiv 2406.11430)',
  score: ({ out, cached }, ops) => negate(ops.rowNorms(out, cached, 'keys'), ops),
});
