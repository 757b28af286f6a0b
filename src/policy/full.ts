// Everything is kept: the reference that policies are measured against. Memory grows with the
// conversation.
import { definePolicy } from './policy.ts';

export const full = definePolicy({
  name: 'full',
  summary: 'keeps every row',
  evicts: false,
  score: (view) => ({ address: view.out, counts: view.heads.map(() => 0) }),
});
