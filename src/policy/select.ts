// From scores to the rows that stay: exact counts, order preserved, ties to the lower row and then the lower head.
import type { Backend } from '../backend/backend.ts';
import type { Address, Scores } from '../backend/tensor.ts';
import type { LayerView } from './policy.ts';
import { total } from './score.ts';

export interface Selection {
  /** i32 [counts[h]] of each head, ascending. */
  readonly kept: readonly Address[];
  readonly counts: readonly number[];
}

export interface Share {
  /** Rows the layer keeps per kv head, on average, sinks not counted. */
  readonly rows: number;
  /** First tokens of the conversation that are kept on top. */
  readonly sinks: number;
  /** 'uniform': every head keeps as many; 'adaptive': the layer's best rows, whatever their head (AdaKV, arXiv 2407.11550). */
  readonly heads: 'uniform' | 'adaptive';
  /** Share of its uniform budget that an adaptive head keeps for certain. */
  readonly safeguard: number;
}

/**
 * Rows to keep, given the scores of all rows but the protected ones at the end of each head (those get the best score, as do the sinks).
 * `scores` is overwritten; `kept` has room for one i32 a row and `full` for one f32 a row.
 */
export function select(view: LayerView, scores: Scores, share: Share, full: Address, kept: Address, ops: Backend): Selection {
  const lengths = view.heads.map((h) => h.length);
  const all = protectRows(view, scores, share.sinks, full, ops);
  // token numbers ascend, so the sinks that a head holds are its first rows
  const sinksHeld = view.heads.map((head) => ops.ints(head.positions, Math.min(share.sinks, head.length)).filter((t) => t < share.sinks).length);
  if (share.heads === 'uniform') {
    let at = 0;
    const addresses: Address[] = [];
    const counts = lengths.map((n, h) => {
      addresses.push(kept + at * 4);
      const count = ops.topK(kept + at * 4, full + at * 4, n, share.rows + sinksHeld[h]);
      at += n;
      return count;
    });
    return { kept: addresses, counts };
  }
  const best = all.address;
  let at = 0;
  for (const n of lengths) {
    const certain = ops.topK(kept, best + at * 4, n, Math.floor(share.safeguard * share.rows));
    const indices = ops.ints(kept, certain);
    const numbers = ops.floats(best + at * 4, n);
    for (const i of indices) numbers[i] = Number.POSITIVE_INFINITY;
    at += n;
  }
  const wanted = lengths.length * share.rows + sinksHeld.reduce((a, b) => a + b, 0);
  const count = ops.topK(kept, best, total(all), wanted);
  // indices over all heads become indices within each
  const indices = ops.ints(kept, count);
  const addresses: Address[] = [];
  const counts: number[] = [];
  let first = 0;
  let i = 0;
  for (const n of lengths) {
    addresses.push(kept + i * 4);
    const begin = i;
    for (; i < count && indices[i] < first + n; i++) indices[i] -= first;
    counts.push(i - begin);
    first += n;
  }
  return { kept: addresses, counts };
}

/** One score for every row at `full`: infinity for sinks, for the newest `recent` rows, and for rows at the end that got none. */
function protectRows(view: LayerView, scores: Scores, sinks: number, full: Address, ops: Backend): Scores {
  const counts = view.heads.map((h) => h.length);
  const all = { address: full, counts };
  const to = ops.floats(full, total(all));
  const from = ops.floats(scores.address, total(scores));
  let at = 0;
  let read = 0;
  for (let h = 0; h < counts.length; h++) {
    const tokens = ops.ints(view.heads[h].positions, counts[h]);
    const rated = Math.min(scores.counts[h], counts[h] - Math.min(view.recent, counts[h]));
    for (let i = 0; i < counts[h]; i++) to[at + i] = i < rated && tokens[i] >= sinks ? from[read + i] : Number.POSITIVE_INFINITY;
    at += counts[h];
    read += scores.counts[h];
  }
  return all;
}
