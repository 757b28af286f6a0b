// Expected Attention (NVIDIA/kvpress): the attention that the next 512 queries will pay a row if
// they are drawn like those at hand, times the length of its value. Differs: kvpress takes mean and
// covariance over the whole context, this takes those of the newest block's queries, so that
// nothing grows. Queries are turned from their positions to the mean over the coming ones; kvpress
// takes mean and covariance before RoPE and then applies the mean rotation to both, which gives the
// same numbers. A model's caps and sinks are left out: the mean of exp(score) has no formula then.
import { definePolicy } from './define.ts';

export const expectedAttention = definePolicy({
  name: 'expected-attention',
  summary:
    'rows that queries like the newest are expected to attend to, times the length of their ' +
    'value (kvpress)',
  observe: { queries: 'block', ahead: 512 },
  score({ out, spare, extra, cached, queries, count, ahead }, ops) {
    if (!queries) throw new TypeError('expected-attention was scored without queries');
    const { headDim } = cached;
    // a layer that knows no positions has nothing to turn
    if (ahead) ops.rope(queries, ahead, count, queries.columns / headDim, headDim);
    const scores = ops.expectedAttention(out, spare, cached, queries, count);
    ops.multiply(scores, ops.rowNorms(extra, cached, 'values'));
    return scores;
  },
});
