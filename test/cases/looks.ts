// Cases of what observers look at: their attention to rows, aggregated over them, and what they are
// expected to look at.
import { type RowType, rowTypeNames } from '../../src/backend/dtype.ts';
import { type OpCase, sum } from './case.ts';
import { apartFrom, fitting, needs, observedSizes } from './row-sizes.ts';

function observing(
  type: RowType,
  causal: boolean,
  aggregate: 'mean' | 'max',
  unscored: number,
): OpCase {
  const { sizes, more } = observedSizes(type);
  const all = [...sizes, ...more];
  // all sizes on a device where rows are seen as always, one where only the sums differ
  const few = causal && aggregate === 'mean' && unscored > 0 ? sizes : sizes.slice(-2);
  return {
    op: `observe ${causal ? 'causal' : 'all'} ${aggregate}${unscored ? ' unscored' : ''} ${type}`,
    ...apartFrom(few, all),
    tolerance: 3e-6,
    rows: needs(type),
    async run(b, [dim, group, count, ...l]) {
      const d = fitting(type)(dim);
      const { rows } = b.cached(l, d, type);
      const how = { count, causal, aggregate, unscored: Math.min(unscored, ...l) };
      const queries = b.tensor(count, l.length * group * d);
      return b.readScores(b.backend.observe(b.room(4 * sum(l)), rows, { ...how, queries }));
    },
  };
}

function worst(type: RowType, size: number): OpCase {
  const { sizes, more } = observedSizes(type);
  return {
    op: `observeWorst ${size} ${type}`,
    ...apartFrom(size === 5 ? sizes : sizes.slice(-2), [...sizes, ...more]),
    tolerance: 2e-5,
    device: 'exponentials',
    rows: needs(type),
    async run(b, [dim, group, count, ...l]) {
      const d = fitting(type)(dim);
      const { rows } = b.cached(l, d, type);
      const queries = b.tensor(count, l.length * group * d);
      const how = { queries, count, causal: true, unscored: size === 9 ? 0 : count };
      return b.readScores(b.backend.observeWorst(b.room(4 * sum(l)), rows, how, size));
    },
  };
}

function expected(type: RowType): OpCase {
  const all = [
    [1, 1, 1, 1],
    [3, 2, 7, 4, 9],
    [5, 3, 64, 65, 1, 64],
    [64, 1, 32, 130],
  ];
  return {
    op: `expectedAttention ${type}`,
    ...apartFrom(type === 'f16' ? [all[2], [64, 1, 64, 130]] : [all[2]], all),
    tolerance: 2e-5,
    device: 'exponentials',
    rows: needs(type, 2),
    async run(b, [P, group, dim, ...l]) {
      const d = fitting(type)(dim);
      const queries = b.tensor(P, l.length * group * d);
      const { rows } = b.cached(l, d, type);
      const [out, spare] = [b.room(4 * sum(l)), b.room(4 * sum(l))];
      return b.readScores(b.backend.expectedAttention(out, spare, rows, queries, P));
    },
  };
}

function byThemselves(type: RowType, of: 'keys' | 'values' | 'keyCosines'): OpCase {
  const all = [
    [1, 1],
    [4, 7, 3],
    [64, 65, 64],
    [7, 130, 1],
  ];
  return {
    op: of === 'keyCosines' ? `${of} ${type}` : `rowNorms of ${of} ${type}`,
    ...apartFrom([all[2], [24, 130, 1]], all),
    tolerance: 3e-6,
    rows: needs(type),
    async run(b, [dim, ...l]) {
      const { rows } = b.cached(l, fitting(type)(dim), type);
      const out = b.room(4 * sum(l));
      return b.readScores(
        of === 'keyCosines' ? b.backend.keyCosines(out, rows) : b.backend.rowNorms(out, rows, of),
      );
    },
  };
}

export const lookCases: readonly OpCase[] = rowTypeNames.flatMap((type) => [
  observing(type, true, 'mean', 0),
  observing(type, true, 'mean', 2),
  observing(type, true, 'max', 0),
  observing(type, false, 'max', 0),
  observing(type, false, 'mean', 0),
  ...[1, 5, 9].map((size) => worst(type, size)),
  expected(type),
  ...(['keys', 'values', 'keyCosines'] as const).map((of) => byThemselves(type, of)),
]);
