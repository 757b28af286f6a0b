// TOVA (arXiv 2401.06104): attention of the last query, averaged over the layer's heads, so that
// all heads keep the same rows. Differs: where heads have come to different lengths (adaptive
// budgets), each head is rated by its own attention.
import { definePolicy } from './define.ts';

export const tova = definePolicy({
  name: 'tova',
  summary: "rows that the block's last query attends to, the same in all heads (arXiv 2401.06104)",
  observe: { queries: 'last', count: 1 },
  score: ({ out, cached, queries, count, attending }, ops) => {
    const scores = ops.observe(out, cached, {
      queries: queries!,
      count,
      causal: true,
      aggregate: 'mean',
      attending,
    });
    ops.meanOverHeads(scores);
    return scores;
  },
});
