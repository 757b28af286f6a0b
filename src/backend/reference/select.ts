// Which scores are the best, and which rows stay by them.
import type { Share } from '../backend.ts';
import type { LayerRows } from '../cache.ts';
import { cpuRows, type CpuSelection, cpuScores, type RowKernels } from '../cpu/memory.ts';
import type { Address, Scores } from '../tensor.ts';
import type { Memory } from './memory.ts';

/** Indices of the `count` largest numbers, ascending; ties to the lower, NaN behind all others. */
function largest(numbers: readonly number[], count: number): number[] {
  const keys = numbers.map((s) => (Number.isNaN(s) ? Number.NEGATIVE_INFINITY : s));
  const order = keys.map((_, i) => i).sort((a, b) => keys[b] - keys[a] || a - b);
  return order.slice(0, Math.max(0, count)).sort((a, b) => a - b);
}

export function selectOps({ f32, i32 }: Memory): Pick<RowKernels, 'topK'> {
  return {
    topK(kept, scores, n, k) {
      const best = largest([...f32(scores, n)], k);
      i32(kept, best.length).set(best);
      return best.length;
    },
  };
}

export function chooseOps({ f32, i32 }: Memory) {
  return {
    select(kept: Address, rows: LayerRows, scores: Scores, share: Share): CpuSelection {
      let at = scores.address;
      const heads = cpuScores(scores).counts.map((n) => {
        const own = [...f32(at, n)];
        at += n * 4;
        return own;
      });
      const sinks = cpuRows(rows).heads.map(
        ({ tokens, length }) => i32(tokens, length).filter((t) => t < share.sinks).length,
      );
      const chosen =
        share.heads === 'uniform'
          ? heads.map((own, h) => largest(own, share.rows + sinks[h]))
          : bestOfAll(heads, share, sinks);
      let to = kept;
      return {
        address: kept,
        heads: chosen.map((list) => {
          i32(to, list.length).set(list);
          const own = { rows: to, count: list.length };
          to += list.length * 4;
          return own;
        }),
      };
    },
  };
}

/** The best rows whatever their head, some of each head for certain. */
function bestOfAll(
  heads: readonly (readonly number[])[],
  { rows, safeguard }: Share,
  sinks: readonly number[],
): number[][] {
  const safe = heads.map((own) => new Set(largest(own, Math.floor(safeguard * rows))));
  const all = heads.flatMap((own, h) => own.map((s, i) => (safe[h].has(i) ? Infinity : s)));
  const places = heads.flatMap((own, h) => own.map((_, i) => [h, i]));
  const wanted = heads.length * rows + sinks.reduce((a, b) => a + b, 0);
  const best = largest(all, wanted).map((at) => places[at]);
  return heads.map((_, h) => best.flatMap(([head, i]) => (head === h ? [i] : [])));
}
