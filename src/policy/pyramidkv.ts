// PyramidKV (arXiv 2406.02069): SnapKV with budgets that fall linearly with depth, the same in
// total.
import { definePolicy } from './define.ts';
import { snapkv } from './snapkv.ts';

export const pyramidkv = definePolicy({
  ...snapkv,
  name: 'pyramidkv',
  summary: 'snapkv with budgets falling with depth (arXiv 2406.02069)',
  layers: 'pyramid',
});
