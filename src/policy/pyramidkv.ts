// PyramidKV (arXiv 2406.02069): SnapKV with budgets that fall linearly with depth, the same in total.
import { definePolicy } from './policy.ts';

export const pyramidkv = definePolicy({
  name: 'pyramidkv',
  summary: 'snapkv with budgets falling with depth (arXiv 2406.02069)',
  observe: { queries: 'last', count: 64 },
  pool: 5,
  layers: 'pyramid',
  protect: { recent: 64 },
});
