// Control: rows kept by lot. A row draws its number once, so that what is kept is a uniform sample
// of the whole conversation.
import { hashText } from '../math/rng.ts';
import { definePolicy } from './define.ts';

export const random = definePolicy({
  name: 'random',
  summary: 'rows drawn by lot, seeded (control)',
  score: ({ out, cached, layer, seed }, ops) =>
    ops.rateTokens(out, cached, (token, head) => hashText(`${layer} ${head} ${token}`, seed)),
});
