// KVzip (arXiv 2505.23416) in blocks: rows that the model attends to while it repeats the block.
import { definePolicy } from './define.ts';

export const kvzip = definePolicy({
  name: 'kvzip',
  summary: 'rows needed to repeat the block (arXiv 2505.23416)',
  observe: { queries: 'patched', prompt: 'repeat' },
  aggregate: 'max',
});
