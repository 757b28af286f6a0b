// What observers look at: their attention, aggregated over them.
import type { Backend, Observation } from '../backend.ts';
import type { RowType } from '../dtype.ts';
import { cpuRows, type HeadRows, unscoredOf } from '../cpu/memory.ts';
import { scoresOf, softmax } from './math.ts';
import type { Memory } from './memory.ts';

export function lookOps({
  row,
  rowsOf,
  perHead,
}: Memory): Pick<Backend, 'observe' | 'observeWorst'> {
  /** The looks of all queries of a kv head, [count * G][rows seen]. */
  function looksAt(
    head: HeadRows,
    h: number,
    heads: number,
    d: number,
    type: RowType,
    { queries, count, causal, attending: { cap, sinks } = {} }: Omit<Observation, 'aggregate'>,
  ): number[][] {
    const group = queries.columns / d / heads;
    const keys = rowsOf(head, 'keys', head.length, d, type);
    return Array.from({ length: count * group }, (_, look) => {
      const [p, g] = [Math.floor(look / group), look % group];
      const hq = h * group + g;
      const q = row(queries, p).subarray(hq * d, (hq + 1) * d);
      const seen = causal ? keys.slice(0, head.length - count + p + 1) : keys;
      return softmax(scoresOf(q, seen, d, cap), sinks && row(sinks, 0)[hq]);
    });
  }
  return {
    observe(out, rows, o: Observation) {
      const { heads, headDim: d, rowType: type } = cpuRows(rows);
      return perHead(out, heads, unscoredOf(heads, o.unscored), (head, h, scored) => {
        const looks = looksAt(head, h, heads.length, d, type, o);
        return Array.from({ length: scored }, (_, i) => {
          const seen = looks.map((look) => look[i] ?? 0);
          return o.aggregate === 'max'
            ? Math.max(...seen)
            : seen.reduce((a, b) => a + b, 0) / seen.length;
        });
      });
    },
    observeWorst(out, rows, o, size) {
      const { heads, headDim: d, rowType: type } = cpuRows(rows);
      const half = size >> 1;
      return perHead(out, heads, unscoredOf(heads, o.unscored), (head, h, scored) => {
        const smoothed = looksAt(head, h, heads.length, d, type, o).map((look) => {
          const seen = Array.from({ length: scored }, (_, i) => look[i] ?? 0);
          const pooled = seen.map(
            (_, i) =>
              seen.slice(Math.max(0, i - half), i + half + 1).reduce((a, b) => a + b, 0) / size,
          );
          const [before, after] = [seen, pooled].map((x) => x.reduce((a, b) => a + b, 0));
          return pooled.map((x) => (after > 0 ? (x * before) / after : 0));
        });
        return Array.from({ length: scored }, (_, i) =>
          Math.max(...smoothed.map((look) => look[i])),
        );
      });
    },
  };
}
