// From scores to the rows that stay, in a memory that this thread sees: exact counts, order
// preserved, ties to the lower row and then the lower head.
import type { Selection, Share } from '../backend.ts';
import type { LayerRows } from '../cache.ts';
import type { Address, Scores } from '../tensor.ts';
import {
  cpuRows,
  cpuScores,
  type CpuSelection,
  cpuSelection,
  type HeadRows,
  type Kept,
  type RowKernels,
  total,
  type Views,
} from './memory.ts';

export function createSelect(memory: Views, { topK }: Pick<RowKernels, 'topK'>) {
  /** How many of the conversation's first tokens a head still has: they are its first rows. */
  const sinksOf = ({ tokens, length }: HeadRows, sinks: number) =>
    memory.ints(tokens, Math.min(sinks, length)).filter((t) => t < sinks).length;

  return {
    select(kept: Address, rows: LayerRows, scores: Scores, share: Share): CpuSelection {
      const sinks = cpuRows(rows).heads.map((head) => sinksOf(head, share.sinks));
      const rated = cpuScores(scores);
      const heads =
        share.heads === 'uniform'
          ? uniform(topK, kept, rated, share.rows, sinks)
          : adaptive(memory, topK, kept, rated, share, sinks);
      return { address: kept, heads };
    },

    async readSelection(selection: Selection): Promise<Int32Array[]> {
      return cpuSelection(selection).map(({ rows, count }) => memory.ints(rows, count).slice());
    },

    selectListed(kept: Address, rows: LayerRows, list: readonly number[]): CpuSelection {
      memory.ints(kept, list.length).set(list);
      const heads = cpuRows(rows).heads.map(() => ({ rows: kept, count: list.length }));
      return { address: kept, heads };
    },
  };
}

/** As many rows of each head. */
function uniform(
  topK: RowKernels['topK'],
  kept: Address,
  { address, counts }: { address: Address; counts: readonly number[] },
  rows: number,
  sinks: readonly number[],
): Kept[] {
  let at = 0;
  return counts.map((n, h) => {
    const to = kept + at * 4;
    const count = topK(to, address + at * 4, n, rows + sinks[h]);
    at += n;
    return { rows: to, count };
  });
}

/** The best rows whatever their head, some of each head for certain. Overwrites the scores. */
function adaptive(
  memory: Views,
  topK: RowKernels['topK'],
  kept: Address,
  scores: { address: Address; counts: readonly number[] },
  { rows, safeguard }: Share,
  sinks: readonly number[],
): Kept[] {
  const { address, counts } = scores;
  let at = 0;
  for (const n of counts) {
    const certain = topK(kept, address + at * 4, n, Math.floor(safeguard * rows));
    const numbers = memory.floats(address + at * 4, n);
    for (const i of memory.ints(kept, certain)) numbers[i] = Number.POSITIVE_INFINITY;
    at += n;
  }
  const wanted = counts.length * rows + sinks.reduce((a, b) => a + b, 0);
  const count = topK(kept, address, total(scores), wanted);
  // indices over all heads become indices within each
  const indices = memory.ints(kept, count);
  let first = 0;
  let i = 0;
  return counts.map((n) => {
    const begin = i;
    for (; i < count && indices[i] < first + n; i++) indices[i] -= first;
    first += n;
    return { rows: kept + begin * 4, count: i - begin };
  });
}
