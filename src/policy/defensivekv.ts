// DefensiveKV (arXiv 2510.13334): a row that mattered to one query only survives; rows never looked
// at count as the average risk.
import { definePolicy } from './define.ts';

export const defensivekv = definePolicy({
  name: 'defensivekv',
  summary: 'worst case over queries with a prior-risk floor, projected values (arXiv 2510.13334)',
  observe: { queries: 'last', count: 32 },
  aggregate: 'defensive',
  pool: 5,
  value: 'projected',
  stages: 2,
  heads: 'adaptive',
  safeguard: 0,
  protect: { recent: 32 },
});
