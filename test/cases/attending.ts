// Cases of scores that are capped, and of sinks beside them: in attention, and in what observers
// see of it.
import type { Attending } from '../../src/backend/backend.ts';
import { isGrouped, isQuantized, type RowType, rowTypeNames } from '../../src/backend/dtype.ts';
import type { Bench } from './bench.ts';
import { type OpCase, sum } from './case.ts';
import { apartFrom, dimsOf, fitting, needs, roundedTolerance } from './row-sizes.ts';

/** So low that many scores come near it. */
const CAP = 2;

/** One or the other, and both. Some sinks lie far above all scores, or far below. */
function ways(b: Bench, queryHeads: number): Attending[] {
  const sinks = b.vector(queryHeads);
  const steep = b.vector(queryHeads);
  b.backend.write(
    steep.address,
    Float32Array.from({ length: queryHeads }, (_, h) => [1000, -1000, 3][h % 3]),
  );
  return [{ cap: CAP }, { sinks }, { sinks: steep }, { cap: CAP, sinks }];
}

/** Caps and sinks come behind the scores: rows of few bits need no more than one size. */
const someDimsOf = (type: RowType) => (isQuantized(type) ? [24] : dimsOf(type));

/** Rows that become numbers as those of int4 do, where that is all there is to them. */
const isLike = (type: RowType) => type === 'int8' || type === 'int3' || isGrouped(type);

function attended(type: RowType): OpCase {
  const of = (d: number) => [
    [d, 1, 1, 1],
    [d, 3, 2, 3, 5],
    [d, 5, 1, 130, 7],
  ];
  // a block, and one token alone whose rows a device shares among workgroups
  const few = [
    [64, 3, 3, 70, 65],
    [64, 5, 1, 600, 130],
  ];
  const there = type === 'f16' ? few : isLike(type) ? [] : [few[0]];
  return {
    op: `attention with cap and sinks ${type}`,
    ...apartFrom(there, [few[0], ...someDimsOf(type).flatMap(of)]),
    tolerance: 1e-5,
    kernels: roundedTolerance(type, 1e-5),
    rows: needs(type),
    async run(b, [dim, group, T, ...l]) {
      const d = fitting(type)(dim);
      const { rows } = b.cached(l, d, type);
      const columns = l.length * group * d;
      const [q, out] = [b.tensor(T, columns), b.empty(T, columns)];
      const found: number[] = [];
      const hows = ways(b, columns / d);
      for (const how of [...hows, { ...hows[3], window: 40 }]) {
        b.backend.attention(out, q, rows, T, how);
        found.push(...(await b.floats(out, T)));
      }
      return found;
    },
  };
}

function observed(type: RowType): OpCase {
  return {
    op: `observe and observeWorst with cap and sinks ${type}`,
    sizes: isLike(type) ? [] : [[64, 3, 3, 70, 65]],
    more: someDimsOf(type).map((d) => [d, 2, 2, 130, 9]),
    tolerance: 2e-5,
    device: 'exponentials',
    rows: needs(type),
    async run(b, [dim, group, count, ...l]) {
      const d = fitting(type)(dim);
      const { cache, rows } = b.cached(l, d, type);
      const columns = l.length * group * d;
      const [queries, out] = [b.tensor(count, columns), b.empty(count, columns)];
      const looks = { address: b.room((2 * count * columns * 4) / d), unseen: count + 1 };
      const before = cache.rows(0, looks.unseen);
      const [to, apart] = [b.room(4 * sum(l)), b.room(4 * sum(l))];
      const found: number[] = [];
      for (const attending of ways(b, columns / d)) {
        const seen = { queries, count, causal: true, unscored: count, attending };
        b.backend.attention(out, queries, rows, count, { ...attending, looks });
        const left = { queries, count, causal: false, looks, attending };
        for (const scores of [
          () => b.backend.observe(to, rows, { ...seen, aggregate: 'mean' }),
          () => b.backend.observeWorst(to, rows, seen, 5),
          () => b.backend.observe(apart, before, { ...left, aggregate: 'max' }),
          () => b.backend.observeWorst(apart, before, left, 3),
        ])
          found.push(...(await b.readScores(scores())));
      }
      return found;
    },
  };
}

export const attendingCases: readonly OpCase[] = rowTypeNames.flatMap((type) => [
  attended(type),
  observed(type),
]);
