// H2O (arXiv 2306.14048): attention received, summed over all queries so far and over the group's
// heads, divided by the number of queries that could see the row. The sum stays with the row (its
// state) from block to block. Differs: attention that a block paid to rows already evicted in that
// layer is not redistributed.
import { definePolicy } from './policy.ts';

export const h2o = definePolicy({
  name: 'h2o',
  summary: 'rows that received most attention so far (arXiv 2306.14048)',
  observe: { queries: 'block' },
  accumulates: true,
  score: ({ out, heads, headDim, rowType, queries, count, tokens }, ops) => {
    const scores = ops.observe(out, heads, headDim, rowType, {
      queries: queries!,
      count,
      causal: true,
      aggregate: 'mean',
    });
    let at = scores.address;
    for (const head of heads) {
      const received = ops.floats(at, head.length);
      const state = ops.floats(head.state, head.length);
      const token = ops.ints(head.positions, head.length);
      for (let i = 0; i < head.length; i++) {
        state[i] += received[i] * count;
        received[i] = state[i] / (tokens - token[i]);
      }
      at += head.length * 4;
    }
    return scores;
  },
});
