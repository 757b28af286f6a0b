// CriticalKV (arXiv 2502.03805), on SnapKV's scores: most of the attention first, then attention
// times what the value becomes in the output. Differs: the first stage ends at a share of the
// attention, as DefensiveKV's does, not at half of the budget.
import { definePolicy } from './define.ts';

export const criticalkv = definePolicy({
  name: 'criticalkv',
  summary: 'attention first, then attention times projected values (arXiv 2502.03805)',
  observe: { queries: 'last', count: 64 },
  pool: 5,
  value: 'projected',
  stages: 2,
  protect: { recent: 64 },
});
