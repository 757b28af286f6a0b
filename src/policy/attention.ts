// The score of policies that have observers: looks aggregated, smoothed, weighted by values, in one
// stage or two (algorithms, sections 2, 4, 5).
import type { Scores } from '../backend/tensor.ts';
import type { Policy, Score } from './policy.ts';

/**
 * Attention mass that the first stage wants to keep, less what lies on the rows before the window
 * (section 5.2).
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
    const { cached, queries, count, recent, looks: seen, out, spare, extra, output, keeps } = view;
    if (!queries) throw new TypeError('a policy with observers was scored without their queries');
    const causal = observe.queries !== 'patched';
    const observation = { queries, count, looks: seen, causal, unscored: recent };
    let scores: Scores;
    if (aggregate === 'defensive') {
      // rows never looked at get the average risk (section 5.1, step 2)
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
