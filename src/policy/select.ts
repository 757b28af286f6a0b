// From scores to the rows that stay: exact counts, order preserved, ties to the lower row and then
// the lower head.
import type { Backend } from '../backend/backend.ts';
import type { Address, HeadRows, Scores } from '../backend/tensor.ts';
import type { Kept } from '../cache/cache.ts';
import type { LayerView } from './policy.ts';
import { total } from './score.ts';

export interface Share {
  /** Rows kept per head, on average, sinks not counted. */
  readonly rows: number;
  /** First tokens of the conversation that are kept on top. */
  readonly sinks: number;
  /**
   * 'uniform': every head keeps as many; 'adaptive': the best rows, whatever their head (AdaKV,
   * arXiv 2407.11550).
   */
  readonly heads: 'uniform' | 'adaptive';
  /** Share of its uniform budget that an adaptive head keeps for certain. */
  readonly safeguard: number;
}

/**
 * Rows to keep of heads that share a budget (a layer's, or all), by scores for every row that
 * protectRows() left. `scores` is overwritten, `kept` has room for one i32 a row.
 */
export function select(
  heads: readonly HeadRows[],
  scores: Scores,
  share: Share,
  kept: Address,
  ops: Backend,
): Kept[] {
  const { counts, address } = scores;
  // token numbers ascend, so the sinks that a head holds are its first rows
  const sinksHeld = heads.map(
    (head) =>
      ops.ints(head.positions, Math.min(share.sinks, head.length)).filter((t) => t < share.sinks)
        .length,
  );
  if (share.heads === 'uniform') {
    let at = 0;
    return counts.map((n, h) => {
      const rows = kept + at * 4;
      const count = ops.topK(rows, address + at * 4, n, share.rows + sinksHeld[h]);
      at += n;
      return { rows, count };
    });
  }
  let at = 0;
  for (const n of counts) {
    const certain = ops.topK(kept, address + at * 4, n, Math.floor(share.safeguard * share.rows));
    const indices = ops.ints(kept, certain);
    const numbers = ops.floats(address + at * 4, n);
    for (const i of indices) numbers[i] = Number.POSITIVE_INFINITY;
    at += n;
  }
  const wanted = counts.length * share.rows + sinksHeld.reduce((a, b) => a + b, 0);
  const count = ops.topK(kept, address, total(scores), wanted);
  // indices over all heads become indices within each
  const indices = ops.ints(kept, count);
  let first = 0;
  let i = 0;
  return counts.map((n) => {
    const begin = i;
    for (; i < count && indices[i] < first + n; i++) indices[i] -= first;
    first += n;
    return { rows: kept + begin * 4, count: i - begin };
  });
}

/**
 * One score for every row at `full`: infinity for sinks, for the newest `recent` rows, and for rows
 * at the end that got none.
 */
export function protectRows(
  view: LayerView,
  scores: Scores,
  sinks: number,
  full: Address,
  ops: Backend,
): Scores {
  const counts = view.heads.map((h) => h.length);
  const all = { address: full, counts };
  const to = ops.floats(full, total(all));
  const from = ops.floats(scores.address, total(scores));
  let at = 0;
  let read = 0;
  for (let h = 0; h < counts.length; h++) {
    const tokens = ops.ints(view.heads[h].positions, counts[h]);
    const rated = Math.min(scores.counts[h], counts[h] - Math.min(view.recent, counts[h]));
    for (let i = 0; i < counts[h]; i++)
      to[at + i] = i < rated && tokens[i] >= sinks ? from[read + i] : Number.POSITIVE_INFINITY;
    at += counts[h];
    read += scores.counts[h];
  }
  return all;
}
