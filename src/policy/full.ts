// Everything is kept: the reference that policies are measured against. Memory grows with the
// conversation.
import { definePolicy } from './define.ts';

export const full = definePolicy({
  name: 'full',
  summary: 'keeps every row',
  evicts: false,
  score: ({ out, cached }, ops) => ops.rateTokens(out, cached, () => 0),
});
