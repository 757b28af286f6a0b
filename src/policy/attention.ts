// The score of policies that have observers: looks aggregated, smoothed, weighted by values, in one
// stage or two (docs/algorithms.md, 'Looks and smoothing', 'Defensive aggregation' and 'Value term
// and two stages').
import type { Scores } from '../backend/tensor.ts';
import type { Policy, Score } from './policy.ts';

/**
 * Share of the attention that the first stage keeps, less what the newest of the scored rows have
 * of it (docs/algorithms.md, 'Value term and two stages').
 */
const FIRST_STAGE_MASS = 0.9;

/** Composes the score from the axes of a policy. */
export function attentionScore({
  observe,
  aggregate,
  pool,
  value,
  stages,
}: Pick<Policy, 'observe' | 'aggregate' | 'pool' | 'value' | 'stages'>): Score {
  return (view, ops) => {
    const { cached, queries, count, recent, out, spare, extra, output, keeps } = view;
    if (!queries) throw new TypeError('a policy with observers was scored without their queries');
    const causal = observe.queries !== 'patched';
    const { looks: seen, attending } = view;
    const observation = { queries, count, looks: seen, causal, unscored: recent, attending };
    let scores: Scores;
    if (aggregate === 'defensive') {
      // rows that nobody looked at count as the average risk
      scores = ops.observeWorst(spare, cached, observation, pool);
      ops.raiseToMean(scores);
    } else {
      const looks = ops.observe(out, cached, { ...observation, aggregate });
      scores = pool > 1 ? ops.averagePool(spare, looks, pool) : looks;
    }
    if (value === 'projected') {
      if (!output)
        throw new TypeError('a policy with a value term was scored without the output projection');
      ops.weighByValues(scores, cached, output, extra);
    }
    if (stages === 2) {
      // the plain mean, before smoothing: it is still in `out` where that is what was aggregated
      const onlyMean = aggregate === 'mean' && pool > 1;
      const mean = onlyMean
        ? { ...scores, address: out }
        : ops.observe(out, cached, { ...observation, aggregate: 'mean' });
      ops.raiseMost(scores, mean, { mass: FIRST_STAGE_MASS, recent, rows: keeps }, extra);
    }
    return scores;
  };
}
