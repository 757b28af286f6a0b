// AdaKV (arXiv 2407.11550): SnapKV's scores, and the best rows of a layer kept whatever their head.
// Differs: the paper mixes an equal and an adaptive budget, here the safeguard is a floor.
import { definePolicy } from './define.ts';
import { snapkv } from './snapkv.ts';

export const adakv = definePolicy({
  ...snapkv,
  name: 'adakv',
  summary: "snapkv with a layer's best rows whatever their head (arXiv 2407.11550)",
  heads: 'adaptive',
});
