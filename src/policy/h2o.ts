// H2O (arXiv 2306.14048): attention received, averaged over the group's heads, summed over all
// queries so far and divided by the number of queries that could see the row. The sum stays with
// the row (its state) from block to block. Differs: the paper does not divide, and keeps half of
// the budget for the newest rows; attention paid to rows that were evicted meanwhile is not
// redistributed.
import { definePolicy } from './define.ts';

export const h2o = definePolicy({
  name: 'h2o',
  summary: 'rows that received most attention so far (arXiv 2306.14048)',
  observe: { queries: 'block' },
  accumulates: true,
  score: ({ out, cached, queries, count, attending, tokens }, ops) => {
    const scores = ops.observe(out, cached, {
      queries: queries!,
      count,
      causal: true,
      aggregate: 'mean',
      attending,
    });
    ops.addToState(scores, cached, count, tokens);
    return scores;
  },
});
