// Cases of scores that are capped, and of sinks beside them: in attention, and in what observers
// see of it.
import type { Attending } from '../../src/backend/backend.ts';
import { type RowType, rowTypeNames } from '../../src/backend/dtype.ts';
import type { Bench } from './bench.ts';
import { type OpCase, sum } from './case.ts';
import { dimsOf, fitting, needs } from './row-sizes.ts';

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

function attended(type: RowType): OpCase {
  const of = (d: number) => [
    [d, 1, 1, 1],
    [d, 3, 2, 3, 5],
    [d, 5, 1, 130, 7],
  ];
  return {
    op: `attention with cap and sinks ${type}`,
    // blocks, and one token alone; what a device shares among workgroups
    sizes: [
      [64, 3, 3, 70, 65],
      [64, 5, 1, 600, 130],
    ],
    more: dimsOf(type).flatMap(of),
    tolerance: 1e-5,
    rows: needs(type),
    async run(b, [dim, group, T, ...l]) {
      const d = fitting(type)(dim);
      const { rows } = b.cached(l, d, type);
      const columns = l.length * group * d;
      const [q, out] = [b.tensor(T, columns), b.empty(T, columns)];
      const found: number[] = [];
      for (const how of ways(b, columns / d))
        for (const window of [undefined, 40]) {
          b.backend.attention(out, q, rows, T, { ...how, window });
          found.push(...(await b.floats(out, T)));
        }
      return found;
    },
  };
}

function observed(type: RowType): OpCase {
  return {
    op: `observe and observeWorst with cap and sinks ${type}`,
    sizes: [[64, 3, 3, 70, 65]],
    more: dimsOf(type).map((d) => [d, 2, 2, 130, 9]),
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
