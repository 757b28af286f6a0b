// Cases of attention over cached rows of every type: causal, in a window, and what it leaves for
// those who score rows.
import { isGrouped, isQuantized, type RowType, rowTypeNames } from '../../src/backend/dtype.ts';
import type { Bench, TokensOf } from './bench.ts';
import { type OpCase, sum } from './case.ts';
import {
  apartFrom,
  dimsOf,
  fitting,
  groupsOf,
  needs,
  observedSizes,
  roundedTolerance,
} from './row-sizes.ts';

/** Scores reach some hundreds, of which f32 keeps 1e-5: what exp makes of them differs by as much. */
const TOLERANCE = 1e-5;

/** Tokens with gaps between them now and then. */
const withGaps =
  (b: Bench): TokensOf =>
  (length) => {
    let token = 0;
    return Array.from({ length }, () => (token += b.whole(4) === 0 ? 1 + b.whole(9) : 1));
  };

function causal(type: RowType): OpCase {
  const { sizes, more = [] } = observedSizes(type);
  // one token alone goes a way of its own: heads of every number, rows around a tile
  const alone = dimsOf(type).flatMap((d) => groupsOf(type).map((g) => [d, g, 1, 1, 65, 130]));
  const few = [1, 4, 5, 8].map((group) => [64, group, 1, 65, 130]);
  // planes of codes that fill registers
  const wide = isQuantized(type) ? [[128, 2, 1, 65, 9]] : [];
  return {
    op: `attention ${type}`,
    ...apartFrom([...sizes, ...(type === 'f16' ? few : [few[2]])], [...more, ...alone, ...wide]),
    tolerance: TOLERANCE,
    kernels: roundedTolerance(type, TOLERANCE),
    rows: needs(type),
    async run(b, [dim, group, T, ...l]) {
      const d = fitting(type)(dim);
      const { rows } = b.cached(l, d, type);
      const [q, out] = [b.tensor(T, l.length * group * d), b.empty(T, l.length * group * d)];
      b.backend.attention(out, q, rows, T);
      return b.floats(out, T);
    },
  };
}

function inWindow(type: RowType): OpCase {
  // blocks and one token alone, windows of one row, of some tiles, wider than all; tokens with
  // gaps between them
  const of = (d: number) => [
    [1, d, 3, 5, 5, 64],
    [3, d, 2, 40, 65, 200],
    [70, d, 2, 9, 9, 200],
    [130, d, 5, 1, 1, 200],
    [1000, d, 1, 3, 65, 3],
  ];
  const few = type === 'f16' ? [0, 1, 2, 3] : [1, 3];
  return {
    op: `attention in a window ${type}`,
    ...apartFrom(
      few.map((i) => of(64)[i]),
      dimsOf(type).flatMap(of),
    ),
    tolerance: TOLERANCE,
    kernels: roundedTolerance(type, TOLERANCE),
    rows: needs(type, 1),
    async run(b, [window, dim, group, T, ...l]) {
      const d = fitting(type)(dim);
      const { rows } = b.cached(l, d, type, withGaps(b));
      const [q, out] = [b.tensor(T, l.length * group * d), b.empty(T, l.length * group * d)];
      b.backend.attention(out, q, rows, T, { window });
      return b.floats(out, T);
    },
  };
}

/** `steep`: rows that do not count may score so high that others vanish beside them. */
function leavingLooks(type: RowType, steep: number): OpCase {
  const { sizes, more } = observedSizes(type);
  const hasRows = ([, , T, ...l]: readonly number[]) => l.every((n) => n > T + 1);
  return {
    op: `attention and observe by what it left${steep > 1 ? ', steep' : ''} ${type}`,
    sizes: sizes.filter(hasRows),
    more: more.filter(hasRows),
    tolerance: steep * 3e-6,
    kernels: roundedTolerance(type, steep * 3e-6),
    rows: needs(type),
    async run(b, [dim, group, count, ...l]) {
      const d = fitting(type)(dim);
      const { cache, rows } = b.cached(l, d, type);
      const width = l.length * group * d;
      const queries = b.tensor(
        count,
        width,
        b.numbers(count * width).map((x) => steep * x),
      );
      const out = b.empty(count, width);
      const looks = { address: b.room(2 * count * group * l.length * 4), unseen: count + 1 };
      b.backend.attention(out, queries, rows, count, { looks });
      const before = cache.rows(0, looks.unseen);
      const room = () => b.room(4 * sum(l));
      const how = { queries, count, causal: false, looks };
      const scores = [
        b.backend.observe(room(), before, { ...how, aggregate: 'mean' }),
        b.backend.observe(room(), before, { ...how, aggregate: 'max' }),
        b.backend.observeWorst(room(), before, how, 5),
      ];
      const read = await Promise.all(scores.map((own) => b.readScores(own)));
      return [...(await b.floats(out, count)), ...read.flat()];
    },
  };
}

export const attentionCases: readonly OpCase[] = rowTypeNames.flatMap((type) => [
  causal(type),
  inWindow(type),
  // queries times steps of grids are rounded on the scale of the largest of them
  ...[1, isGrouped(type) ? 4 : 40].map((steep) => leavingLooks(type, steep)),
]);
