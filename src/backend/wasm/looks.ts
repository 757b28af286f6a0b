// What observers look at: their attention, aggregated over them.
import type { Backend, Observation } from '../backend.ts';
import type { LayerRows } from '../cache.ts';
import { type CpuScores, cpuRows, unscoredOf } from '../cpu/memory.ts';
import { rowCode } from '../dtype.ts';
import { type Call, call, SCRATCH } from './call.ts';
import { type Context, scoreHeads } from './context.ts';

/** Cached rows that kernels take at a time: TILE of assembly/rows.ts. */
const TILE_ROWS = 64;

export function lookOps({
  numbers,
  share,
  parts,
  scratch,
}: Context): Pick<Backend, 'observe' | 'observeWorst'> {
  /**
   * Attention of observers, aggregated: their sums cut by queries (unless attention left them),
   * then scores cut by rows.
   */
  function observe(out: number, rows: LayerRows, o: Observation): CpuScores {
    const { heads, headDim: d, rowType: type } = cpuRows(rows);
    const { queries, count, causal, aggregate, looks } = o;
    const unscored = unscoredOf(heads, o.unscored);
    const group = queries.columns / d / heads.length;
    const [code, sees, how] = [rowCode(type), causal ? 1 : 0, aggregate === 'max' ? 1 : 0];
    const sumsOf = (h: number) => (looks?.address ?? scratch.common) + h * 2 * count * group * 4;
    const lookingOf = (h: number, p = 0) =>
      queries.address + h * group * d * 4 + p * queries.columns * 4;
    const work = heads.reduce((sum, { length }) => sum + count * group * length * d, 0);
    if (!looks) {
      const calls = heads.flatMap(({ keys, length }, h) =>
        length <= unscored
          ? []
          : parts(count, 1, work / heads.length, (p, some) => {
              const n = causal ? length - count + p + some : length;
              const to = sumsOf(h) + p * group * 4;
              return call(
                numbers.observe_sums,
                to,
                lookingOf(h, p),
                keys,
                SCRATCH,
                some,
                group,
                n,
                d,
                queries.columns,
                sees,
                code,
                count * group,
              );
            }),
      );
      share(calls, work);
    }
    const calls: Call[] = [];
    const scores = scoreHeads(out, heads, unscored, ({ keys, length }, to, scored, h) => {
      const part = (i: number, some: number) =>
        call(
          numbers.observe,
          to + i * 4,
          lookingOf(h),
          keys,
          SCRATCH,
          count,
          group,
          length,
          i,
          some,
          d,
          queries.columns,
          sees,
          how,
          code,
          sumsOf(h),
        );
      calls.push(...parts(scored, TILE_ROWS, work / heads.length, part));
    });
    share(calls, work);
    return scores;
  }

  return {
    observe,
    observeWorst(out, rows, { queries, count, causal, looks, ...o }, size) {
      const { heads, headDim: d, rowType: type } = cpuRows(rows);
      const unscored = unscoredOf(heads, o.unscored);
      const group = queries.columns / d / heads.length;
      const calls: Call[] = [];
      let work = 0;
      const scores = scoreHeads(out, heads, unscored, ({ keys, length }, to, scored, h) => {
        const looking = queries.address + h * group * d * 4;
        const seen = looks && unscored === 0 ? looks.address + h * 2 * count * group * 4 : 0;
        const [sees, code] = [causal ? 1 : 0, rowCode(type)];
        calls.push(
          call(
            numbers.observe_defensive,
            to,
            looking,
            keys,
            SCRATCH,
            count,
            group,
            length,
            scored,
            d,
            queries.columns,
            sees,
            size,
            code,
            seen,
          ),
        );
        work += 2 * count * group * length * d;
      });
      share(calls, work);
      return scores;
    },
  };
}
