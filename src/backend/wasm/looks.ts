// What observers look at: their attention, aggregated over them.
import { TILE } from '../../../build/generated/kernels.ts';
import type { Backend, Observation } from '../backend.ts';
import type { LayerRows } from '../cache.ts';
import { type CpuScores, cpuRows, type HeadRows, unscoredOf } from '../cpu/memory.ts';
import { type RowType, rowCode } from '../dtype.ts';
import type { Address } from '../tensor.ts';
import { sinksOf } from './attention.ts';
import { type Call, call, SCRATCH } from './call.ts';
import { type Context, scoreHeads } from './context.ts';

export function lookOps(context: Context): Pick<Backend, 'observe' | 'observeWorst'> {
  return {
    observe: (out, rows, o) => observe(context, out, rows, o),
    observeWorst: (out, rows, o, size) => observeWorst(context, out, rows, o, size),
  };
}

/** Where head h's queries begin, from observer p on. */
function queriesOf({ queries }: Pick<Observation, 'queries'>, group: number, d: number) {
  return (h: number, p = 0) => queries.address + h * group * d * 4 + p * queries.columns * 4;
}

/** What kernels are told of a head that is looked at: by whom, and its rows. */
function lookedAt(o: Pick<Observation, 'queries' | 'count'>, group: number, d: number) {
  const lookingOf = queriesOf(o, group, d);
  return ({ keys, rest, length }: HeadRows, h: number) =>
    [lookingOf(h), keys, rest, SCRATCH, o.count, group, length] as const;
}

/**
 * Attention of observers, aggregated: their sums cut by queries (unless attention left them), then
 * scores cut by rows.
 */
function observe(context: Context, out: Address, rows: LayerRows, o: Observation): CpuScores {
  const { numbers, share, parts, scratch } = context;
  const { heads, headDim: d, rowType: type } = cpuRows(rows);
  const { queries, count, causal, attending: { cap = 0, sinks } = {} } = o;
  const unscored = unscoredOf(heads, o.unscored);
  const group = queries.columns / d / heads.length;
  const [code, sees, how] = [rowCode(type), causal ? 1 : 0, o.aggregate === 'max' ? 1 : 0];
  const looks = o.looks?.address ?? scratch.common;
  const looked = lookedAt(o, group, d);
  const work = heads.reduce((sum, { length }) => sum + count * group * length * d, 0);
  if (!o.looks) sumUp(context, looks, heads, d, type, { ...o, unscored }, work);
  const calls: Call[] = [];
  const scores = scoreHeads(out, heads, unscored, (head, to, scored, h) => {
    const part = (i: number, some: number) =>
      call(
        numbers.observe,
        to + i * 4,
        ...looked(head, h),
        i,
        some,
        d,
        queries.columns,
        sees,
        how,
        code,
        looks + h * 2 * count * group * 4,
        cap,
        sinksOf(sinks, h, group),
      );
    calls.push(...parts(scored, TILE, work / heads.length, part));
  });
  share(calls, work);
  return scores;
}

/** Leaves each query's largest score and sum at `looks`, of heads that get scores. */
function sumUp(
  { numbers, share, parts }: Context,
  looks: Address,
  heads: readonly HeadRows[],
  d: number,
  type: RowType,
  o: Observation,
  work: number,
): void {
  const { queries, count, causal, unscored = 0, attending: { cap = 0 } = {} } = o;
  const group = queries.columns / d / heads.length;
  const [code, sees] = [rowCode(type), causal ? 1 : 0];
  const lookingOf = queriesOf(o, group, d);
  const calls = heads.flatMap(({ keys, rest, length }, h) => {
    if (length <= unscored) return [];
    return parts(count, 1, work / heads.length, (p, some) =>
      call(
        numbers.observe_sums,
        looks + (h * 2 * count + p) * group * 4,
        lookingOf(h, p),
        keys,
        rest,
        SCRATCH,
        some,
        group,
        causal ? length - count + p + some : length,
        d,
        queries.columns,
        sees,
        code,
        count * group,
        cap,
      ),
    );
  });
  share(calls, work);
}

function observeWorst(
  { numbers, share }: Context,
  out: Address,
  rows: LayerRows,
  o: Omit<Observation, 'aggregate'>,
  size: number,
): CpuScores {
  const { heads, headDim: d, rowType: type } = cpuRows(rows);
  const { queries, count, causal, looks, attending: { cap = 0, sinks } = {} } = o;
  const unscored = unscoredOf(heads, o.unscored);
  const group = queries.columns / d / heads.length;
  const [code, sees] = [rowCode(type), causal ? 1 : 0];
  const looked = lookedAt(o, group, d);
  const calls: Call[] = [];
  let work = 0;
  const scores = scoreHeads(out, heads, unscored, (head, to, scored, h) => {
    const seen = looks && unscored === 0 ? looks.address + h * 2 * count * group * 4 : 0;
    calls.push(
      call(
        numbers.observe_defensive,
        to,
        ...looked(head, h),
        scored,
        d,
        queries.columns,
        sees,
        size,
        code,
        seen,
        cap,
        sinksOf(sinks, h, group),
      ),
    );
    work += 2 * count * group * head.length * d;
  });
  share(calls, work);
  return scores;
}
