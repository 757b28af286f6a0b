// InfiniPot (EMNLP 2024, arXiv 2410.01518), without its second measure: rows that a prompt asking
// for a summary attends to. Differs: where a model follows no instructions the prompt is only what
// the chat template puts before a reply.
import { definePolicy } from './define.ts';

export const infinipot = definePolicy({
  name: 'infinipot',
  summary: 'rows that a prompt asking for a summary attends to (arXiv 2410.01518)',
  observe: { queries: 'patched', prompt: 'summary' },
  aggregate: 'max',
});
