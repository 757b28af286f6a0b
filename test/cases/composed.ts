// Cases of operations that are several in one: products with what is done around them, gates, and
// new rows of a cache with what is done to them first.
import { type RowType, weightTypes } from '../../src/backend/dtype.ts';
import type { Around, Product } from '../../src/backend/backend.ts';
import type { Bench } from './bench.ts';
import type { OpCase } from './case.ts';
import { needs } from './row-sizes.ts';

const types = weightTypes.filter(({ name }) => name === 'f32' || name === 'q8_0');
type Type = (typeof types)[number];

const EPS = 1e-5;
// n, m and k
const shapes = [
  [0, 3, 32],
  [1, 1, 32],
  [1, 19, 64],
  [3, 7, 96],
  [5, 9, 544],
];

const product = (b: Bench, type: Type, [n, m, k]: readonly number[], biased: boolean): Product => [
  b.tensor(n, m),
  b.weight(type, m, k),
  biased ? b.vector(m) : undefined,
];

/** x [n, k] is normed, or y [n, m] added to. */
function aroundOf(b: Bench, how: 'normed' | 'added', [n, m, k]: readonly number[]): Around {
  return how === 'normed'
    ? { norm: { w: b.vector(k), eps: EPS }, room: b.empty(n, k) }
    : { adds: true, room: b.empty(n, m) };
}

const productCases = types.flatMap((type): OpCase[] =>
  (['normed', 'added'] as const).flatMap((how): OpCase[] => [
    {
      op: `linear ${how} ${type.name}`,
      sizes: shapes,
      tolerance: 1e-3,
      async run(b, size) {
        const [n, m, k] = size;
        const products = [product(b, type, size, false), product(b, type, [n, m + 2, k], true)];
        b.backend.linear(products, b.tensor(n, k), n, aroundOf(b, how, [n, m + 2, k]));
        return (await Promise.all(products.map(([y]) => b.floats(y, n)))).flat();
      },
    },
    {
      op: `linearOne ${how} ${type.name}`,
      sizes: shapes.slice(1, 3),
      tolerance: 1e-3,
      async run(b, size) {
        const one = product(b, type, size, true);
        b.backend.linearOne([one], b.tensor(1, size[2]), aroundOf(b, how, size));
        return b.floats(one[0], 1);
      },
    },
  ]),
);

const gatedCases = types.flatMap((type) =>
  (['silu', 'gelu'] as const).map((activation): OpCase => ({
    op: `gated ${activation} ${type.name}`,
    sizes: shapes,
    tolerance: 1e-3,
    async run(b, size) {
      const [n, m, k] = size;
      const [gate, up] = [product(b, type, size, true), product(b, type, size, false)];
      const [x, y] = [b.tensor(n, k), b.empty(n, m)];
      b.backend.gated(y, gate, up, x, n, activation);
      const before = { norm: { w: b.vector(k), eps: EPS }, room: b.empty(n, k) };
      b.backend.gated(gate[0], gate, up, x, n, activation, before);
      return [...(await b.floats(y, n)), ...(await b.floats(gate[0], n))];
    },
  })),
);

/**
 * Rows of two appends, by what others see of them: attention, norms and tokens. The second is of
 * one token, at a position apart from its number.
 */
const appendCases = (['f32', 'f16'] as const).flatMap((rowType: RowType) =>
  (['pairs', 'halves', 'none', 'weighed'] as const).map((style): OpCase => ({
    op: `appendTurned ${style} ${rowType}`,
    // T, kv heads, query heads a kv head, d, rotated
    sizes: [
      [1, 1, 1, 4, 4],
      [3, 2, 3, 10, 6],
      [7, 1, 4, 64, 64],
    ],
    tolerance: rowType === 'f32' ? 1e-5 : 2e-3,
    rows: needs(rowType, 3),
    async run(b, [T, kvHeads, group, d, rotated]) {
      const { backend } = b;
      const queryHeads = kvHeads * group;
      const shape = { kvHeads, headDim: d, rowType, keptRows: [0], room: T + 1 };
      const cache = backend.createCache(shape);
      const found: number[] = [];
      for (const [count, place] of [
        [T, { position: 5, token: 5 }],
        [1, { position: 9, token: 5 + T }],
      ] as const) {
        const [q, out] = [b.tensor(count, queryHeads * d), b.empty(count, queryHeads * d)];
        const [k, v] = [b.tensor(count, kvHeads * d), b.tensor(count, kvHeads * d)];
        const isWeighed = style === 'weighed';
        const isTurned = style === 'pairs' || style === 'halves';
        cache.appendTurned(0, { q, k, v }, count, place, {
          queryHeads,
          normEps: EPS,
          ...(isTurned && { angles: { ...b.tensor(count, rotated), rotated, style } }),
          ...(count > 1 && { qNorm: b.vector(d), kNorm: b.vector(d) }),
          ...(isTurned && { queryScale: 0.75 }),
          ...(isWeighed && {
            vNorm: true,
            queryAngles: { ...b.tensor(count, rotated), rotated, style: 'halves' },
            queryWeight: b.vector(d),
          }),
        });
        backend.attention(out, q, cache.rows(0), count);
        found.push(...(await b.floats(q, count)), ...(await b.floats(out, count)));
      }
      const room = b.room(4 * kvHeads * (T + 1));
      for (const side of ['keys', 'values'] as const)
        found.push(...(await b.readScores(backend.rowNorms(room, cache.rows(0), side))));
      found.push(...(await b.readScores(backend.rateTokens(room, cache.rows(0), { plus: 0 }))));
      cache.dispose();
      return found;
    },
  })),
);

export const composedCases: readonly OpCase[] = [...productCases, ...gatedCases, ...appendCases];
