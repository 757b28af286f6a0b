// EpiCache (arXiv 2509.17396) with the defensive aggregation of DefensiveKV (arXiv 2510.13334) in
// place of the plain maximum.
import { definePolicy } from './define.ts';

export const epicacheDefensive = definePolicy({
  name: 'epicache-defensive',
  summary: 'epicache with smoothed looks and a prior-risk floor',
  observe: { queries: 'patched', prompt: 'episode' },
  aggregate: 'defensive',
  pool: 5,
});
