// The score of policies that have observers: looks aggregated, smoothed, weighted by values, in one
// stage or two (algorithms, sections 2, 4, 5).
import type { Backend } from '../backend/backend.ts';
import type { Scores } from '../backend/tensor.ts';
import type { LayerView, Policy, Score } from './policy.ts';
import { total } from './score.ts';

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
    if (!view.queries)
      throw new TypeError('a policy with observers was scored without their queries');
    const { heads, headDim, rowType, queries, count, recent, looks: seen } = view;
    const observation = {
      queries,
      count,
      looks: seen,
      causal: observe.queries !== 'patched',
      unscored: Math.min(recent, ...heads.map((h) => h.length)),
    };
    let scores: Scores;
    if (aggregate === 'defensive') {
      scores = ops.observeDefensive(view.spare, heads, headDim, rowType, observation, pool);
      raiseToMean(scores, ops);
    } else {
      const looks = ops.observe(view.out, heads, headDim, rowType, { ...observation, aggregate });
      scores = pool > 1 ? ops.averagePool(view.spare, looks, pool) : looks;
    }
    if (value === 'projected') weighByValue(scores, view, ops);
    if (stages === 2) {
      // the plain mean, before smoothing: it is still in view.out where that is what was aggregated
      const onlyMean = aggregate === 'mean' && pool > 1;
      const mean = onlyMean
        ? { ...scores, address: view.out }
        : ops.observe(view.out, heads, headDim, rowType, { ...observation, aggregate: 'mean' });
      keepMost(scores, mean, view, ops);
    }
    return scores;
  };
}

/**
 * s[i] = max(m[i], mean_j m[j]), head by head: rows never looked at get the average risk (section
 * 5.1, step 2).
 */
function raiseToMean(scores: Scores, ops: Backend): void {
  let at = scores.address;
  for (const n of scores.counts) {
    const s = ops.floats(at, n);
    let sum = 0;
    for (const x of s) sum += x;
    const mean = Math.fround(sum / n);
    for (let i = 0; i < n; i++) if (s[i] < mean) s[i] = mean;
    at += n * 4;
  }
}

/**
 * s[i] = s[i] v[i] / sum_j v[j], v[i] the projected length of row i's value (section 5.2). A value
 * does not change, so v stays with the row, as its state: only new rows (state 0) are projected.
 */
function weighByValue(scores: Scores, view: LayerView, ops: Backend): void {
  const { heads, headDim, rowType, output } = view;
  if (!output)
    throw new TypeError('a policy with a value term was scored without the output projection');
  const from = heads.map((head) => {
    const state = ops.floats(head.state, head.length);
    let known = head.length;
    while (known > 0 && state[known - 1] === 0) known--;
    return known;
  });
  const norms = ops.valueNorms(view.extra, heads, from, headDim, rowType, output);
  let read = norms.address;
  let at = scores.address;
  heads.forEach((head, h) => {
    ops.floats(head.state + from[h] * 4, norms.counts[h]).set(ops.floats(read, norms.counts[h]));
    read += norms.counts[h] * 4;
    const n = scores.counts[h];
    const s = ops.floats(at, n);
    const v = ops.floats(head.state, n);
    let sum = 0;
    for (const x of v) sum += x;
    if (sum > 0) for (let i = 0; i < n; i++) s[i] *= v[i] / sum;
    at += n * 4;
  });
}

/**
 * The first stage: in each head the rows with the most mean attention, in order, until their share
 * of it reaches 0.9 - b or (budget - window) rows are kept, get the layer's best score. b: mean
 * over heads of the mean attention on the `recent` rows before the window (section 5.2).
 */
function keepMost(scores: Scores, mean: Scores, view: LayerView, ops: Backend): void {
  const all = ops.floats(scores.address, total(scores));
  const looks = ops.floats(mean.address, total(mean));
  let best = 0;
  for (const s of all) if (s > best) best = s;
  let [bias, at] = [0, 0];
  for (const n of mean.counts) {
    for (let i = Math.max(0, n - view.recent); i < n; i++) bias += looks[at + i];
    at += n;
  }
  const wanted = FIRST_STAGE_MASS - bias / mean.counts.length;
  at = 0;
  for (const n of mean.counts) {
    const most = Math.max(0, view.rows - view.recent);
    const indices = ops.ints(view.extra, ops.topK(view.extra, mean.address + at * 4, n, most));
    const a = looks.subarray(at, at + n);
    let sum = 0;
    for (const x of a) sum += x;
    let mass = 0;
    for (const i of indices.slice().sort((x, y) => a[y] - a[x] || x - y)) {
      if (mass >= wanted || sum === 0) break;
      mass += a[i] / sum;
      all[at + i] = best;
    }
    at += n;
  }
}
