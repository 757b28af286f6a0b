// Small steps that score functions share, on one number a row.
import type { Backend } from '../backend/backend.ts';
import type { Scores } from '../backend/tensor.ts';
import type { LayerView } from './policy.ts';

/** -s, in place. */
export function negate(scores: Scores, ops: Backend): Scores {
  const all = ops.floats(scores.address, total(scores));
  for (let i = 0; i < all.length; i++) all[i] = -all[i];
  return scores;
}

/** A score from each row's token number and head. */
export function scoreRows(view: LayerView, ops: Backend, score: (token: number, head: number) => number): Scores {
  const counts = view.heads.map((h) => h.length);
  const scores = { address: view.out, counts };
  const all = ops.floats(view.out, total(scores));
  let at = 0;
  for (let h = 0; h < counts.length; h++) {
    const tokens = ops.ints(view.heads[h].positions, counts[h]);
    for (let i = 0; i < counts[h]; i++) all[at++] = score(tokens[i], h);
  }
  return scores;
}

/** The mean over heads of equally many rows for each of them, in place; heads of different lengths are left as they are. */
export function meanOverHeads(scores: Scores, ops: Backend): Scores {
  const { counts } = scores;
  const [n] = counts;
  if (counts.some((c) => c !== n)) return scores;
  const all = ops.floats(scores.address, total(scores));
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let h = 0; h < counts.length; h++) sum += all[h * n + i];
    for (let h = 0; h < counts.length; h++) all[h * n + i] = sum / counts.length;
  }
  return scores;
}

export function total(scores: Scores): number {
  return scores.counts.reduce((a, b) => a + b, 0);
}
