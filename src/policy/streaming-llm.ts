// StreamingLLM (arXiv 2309.17453): the first few rows (attention sinks) and the newest ones.
import { definePolicy } from './define.ts';

export const streamingLlm = definePolicy({
  name: 'streaming-llm',
  summary: 'attention sinks and the newest rows (arXiv 2309.17453)',
  protect: { sinks: 4 },
  score: ({ out, cached }, ops) => ops.rateTokens(out, cached, { plus: 0 }),
});
