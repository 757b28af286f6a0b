// AdaKV (arXiv 2407.11550): SnapKV's scores, and the best rows of a layer kept whatever their head.
import { definePolicy } from './policy.ts';

export const adakv = definePolicy({
  name: 'adakv',
  summary: "snapkv with a layer's best rows whatever their head (arXiv 2407.11550)",
  observe: { queries: 'last', count: 64 },
  pool: 5,
  heads: 'adaptive',
  protect: { recent: 64 },
});
