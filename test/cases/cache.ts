// Cases of caches: rows appended, taken back, turned and moved together, counted, saved and put
// back. What is seen of them is what anybody sees: tokens, and the rows as bytes or numbers.
import type { Cache, Turning } from '../../src/backend/cache.ts';
import type { EvenShape } from '../../src/backend/cache-shape.ts';
import { isGrouped, type RowType, rowBytes, rowTypeNames } from '../../src/backend/dtype.ts';
import { sectionsOf } from '../../src/backend/extent.ts';
import { decodeRow } from '../../src/backend/row-codec.ts';
import type { Scores } from '../../src/backend/tensor.ts';
import type { Bench } from './bench.ts';
import { readHeads } from './cached-rows.ts';
import { type OpCase, sum } from './case.ts';
import { fitting, needs } from './row-sizes.ts';

/** Rows whose bytes stand for numbers by themselves. */
const types = rowTypeNames.filter((type) => !isGrouped(type));

/** Rows of a kind of size are the neighbours of what the reference has, as each is rounded. */
const looseness: Partial<Record<RowType, number>> = { f32: 1e-6, f16: 1e-3 };
const stepOf = (type: RowType) =>
  looseness[type] ?? { int8: 0.02, int4: 0.2, int3: 0.4 }[type as 'int8'];

/** Numbers of all rows of a cache, with tokens, states and positions. */
async function numbersOf(cache: Cache): Promise<number[]> {
  const { headDim: d, rowType } = cache.shape as EvenShape;
  const heads = await readHeads(cache);
  return heads.flatMap(({ tokens, state, positions, ...sides }) => [
    ...new Int32Array(tokens.buffer),
    ...new Float32Array(state.buffer),
    ...(positions ? new Int32Array(positions.buffer) : []),
    ...(['keys', 'values'] as const).flatMap((side) => {
      const bytes = rowBytes(rowType, d, side);
      return Array.from({ length: sides[side].length / bytes }, (_, i) => [
        ...decodeRow(sides[side].slice(i * bytes, (i + 1) * bytes), d, rowType, side),
      ]).flat();
    }),
  ]);
}

/** Appends new tokens to every layer. */
function append(b: Bench, cache: Cache, T: number, token: number, position = token): void {
  const { kvHeads, headDim } = cache.shape as EvenShape;
  for (let layer = 0; layer < cache.layers; layer++) {
    const [k, v] = [b.tensor(T, kvHeads * headDim), b.tensor(T, kvHeads * headDim)];
    cache.append(layer, k, v, T, token, position);
  }
}

/** A cache for a case, which is gone behind it. */
async function withCache(
  b: Bench,
  shape: EvenShape,
  work: (cache: Cache) => Promise<number[]>,
): Promise<number[]> {
  const cache = b.backend.createCache(shape);
  const found = await work(cache);
  cache.dispose();
  return found;
}

/** Rotations by any difference of positions, in either form. */
function turningBy(b: Bench, base: number, d: number, end?: number): Turning {
  const rotated = d - (d % 4 === 0 && d > 8 ? 4 : 0);
  const style = 'halves';
  const row = (shift: number) =>
    Array.from({ length: rotated }, (_, j) => {
      const angle = shift * 10_000 ** -((j % (rotated / 2)) / (rotated / 2));
      return j < rotated / 2 ? Math.cos(angle) : Math.sin(angle);
    });
  const table = (shifts: readonly number[]) =>
    b.tensor(shifts.length, rotated, Float32Array.from(shifts.flatMap(row))).address;
  const upTo = (count: number, step = 1) => Array.from({ length: count }, (_, i) => i * step);
  const of = { rotated, style } as const;
  return {
    base,
    end,
    anglesOf: () => (shift) => ({ address: table([shift]), ...of }),
    tablesOf: () => ({ low: table(upTo(256)), high: table(upTo(512, 256)), ...of }),
  };
}

const appending = types.map((type): OpCase => ({
  op: `append ${type}`,
  // heads, dimensions, and tokens of each append
  sizes: [
    [1, 8, 1],
    [2, 64, 3, 1, 70],
    [3, 24, 5, 64],
  ],
  tolerance: stepOf(type),
  rows: needs(type, 1),
  run(b, [kvHeads, dim, ...blocks]) {
    const d = fitting(type)(dim);
    const shape = { kvHeads, headDim: d, rowType: type, keptRows: [0, 3], room: sum(blocks) };
    return withCache(b, shape, async (cache) => {
      let token = 3;
      for (const T of blocks) {
        append(b, cache, T, token, token + 1000);
        token += T;
      }
      return numbersOf(cache);
    });
  },
}));

/** What lies beyond the range of halves is the largest of them. */
const large = (['f16', 'int8', 'int4', 'int3'] as const).map((type): OpCase => ({
  op: `append ${type}, beyond halves`,
  sizes: [[64]],
  tolerance: stepOf(type),
  rows: needs(type),
  run(b, [d]) {
    const shape = { kvHeads: 1, headDim: d, rowType: type, keptRows: [0], room: 4 };
    const ends = [65_504, 65_519, 65_520, 65_536, 1e5, 3e38, -65_520, -1e9];
    return withCache(b, shape, async (cache) => {
      const numbers = Float32Array.from({ length: 4 * d }, (_, i) =>
        type === 'f16' ? ends[i % ends.length] : 60_000 * Math.cos(i),
      );
      const [k, v] = [b.tensor(4, d, numbers), b.tensor(4, d, numbers)];
      cache.append(0, k, v, 4, 0);
      return numbersOf(cache);
    });
  },
}));

/** How rows are turned: not at all, from where they end, or each from its token's position. */
const ways = ['as they are', 'from their end', 'from their tokens'] as const;

const compacting = types.flatMap((type) =>
  ways.map((way): OpCase => ({
    op: `compact ${type}, ${way}`,
    // heads, dimensions, kept rows of a layer and head, tokens, the last number of all
    sizes: [[2, 64, 9, 20, 600], ...(type === 'f16' ? [[3, 24, 40, 131, 100_000]] : [])],
    tolerance: stepOf(type),
    rows: needs(type, 1),
    run(b, [kvHeads, dim, kept, T, last]) {
      const d = fitting(type)(dim);
      const room = T + 7;
      const shape = { kvHeads, headDim: d, rowType: type, keptRows: [kept, kept], room };
      return withCache(b, shape, async (cache) => {
        append(b, cache, T, last - T);
        const found: number[] = [];
        for (let layer = 0; layer < 2; layer++) {
          const own = cache.rows(layer);
          // heads that keep different rows, and as many or not
          const scores = b.backend.rateTokens(
            b.room(4 * kvHeads * (kept + room)),
            own,
            (token, h) => ((token * (7 + 2 * h)) % 31) + h,
          );
          const share = { rows: kept, sinks: 0, safeguard: 0.2 } as const;
          const heads = layer === 0 ? 'uniform' : 'adaptive';
          const list = b.room(4 * kvHeads * (kept + room));
          const selection = b.backend.select(list, own, scores, { ...share, heads });
          const end = way === 'from their end' ? last : undefined;
          const turning = way === 'as they are' ? undefined : turningBy(b, kept, d, end);
          cache.compact(layer, selection, turning);
          found.push(...(await cache.tokens(layer)).flatMap((own) => [own.length, ...own]));
        }
        append(b, cache, 5, last);
        return [...found, ...(await numbersOf(cache))];
      });
    },
  })),
);

/** Layers that share a range are rated one by one, and selected from together. */
const pooling: OpCase = {
  op: 'protect and join, select and compactAll of one range',
  sizes: [
    [2, 8, 20],
    [1, 64, 70],
  ],
  tolerance: 1e-3,
  rows: needs('f16', 1),
  run(b, [kvHeads, d, T]) {
    const kept = [5, 2, 9];
    const shape = { kvHeads, headDim: d, rowType: 'f16', keptRows: kept, room: T } as const;
    return withCache(b, { ...shape, pooled: true }, async (cache) => {
      const count = kept.length * kvHeads;
      const bytes = 4 * (sum(kept) * kvHeads + count * T);
      const found: number[] = [];
      for (const [more, token] of [
        [T, 0],
        [4, T],
      ]) {
        append(b, cache, more, token);
        let [all, to]: [Scores | undefined, Scores | number] = [undefined, b.room(bytes)];
        for (const layer of kept.keys()) {
          const [own, out] = [cache.rows(layer), b.room(bytes)];
          const rated = b.backend.rateTokens(out, own, (n, h) => (n * 13 + h * 5 + layer) % 29);
          const scores = b.backend.protect(to, own, rated, { sinks: 1, recent: 1 });
          all = to = all ? b.backend.join(all, scores) : scores;
        }
        found.push(...(await b.readScores(all!)));
        const share = { rows: Math.floor((sum(kept) * kvHeads) / count) - 1, sinks: 1 };
        const how = { ...share, heads: 'adaptive', safeguard: 0.3 } as const;
        cache.compactAll(b.backend.select(b.room(bytes), cache.allRows(), all!, how));
      }
      append(b, cache, 3, T + 4);
      return [...found, ...(await numbersOf(cache))];
    });
  },
};

const rewinding: OpCase = {
  op: 'rewind and rewindLayer',
  sizes: [
    [2, 8, 12],
    [3, 64, 66],
  ],
  tolerance: 1e-6,
  rows: needs('f32', 1),
  run(b, [kvHeads, d, T]) {
    const shape = { kvHeads, headDim: d, rowType: 'f32', keptRows: [T, 6], room: T } as const;
    return withCache(b, shape, async (cache) => {
      append(b, cache, T, 0);
      const own = cache.rows(1);
      const [places, list] = [0, 1].map(() => b.room(4 * kvHeads * (6 + T)));
      const scores = b.backend.rateTokens(places, own, (token, h) => (token * (5 + h)) % 11);
      const how = { rows: 6, sinks: 0, heads: 'adaptive', safeguard: 0 } as const;
      cache.compact(1, b.backend.select(list, own, scores, how));
      append(b, cache, 3, T);
      cache.rewindLayer(0, cache.mark(T + 1));
      // heads of layer 1 lose different numbers of rows
      const left = await cache.rewind({ token: T - 4 });
      append(b, cache, 2, T - 4);
      return [...left, ...(await numbersOf(cache))];
    });
  },
};

const counting: OpCase = {
  op: 'tokens and held',
  sizes: [[1], [3, 5], [64, 65, 7], [9, 1, 33, 2]],
  tolerance: 0,
  async run(b, l) {
    const { cache } = b.cached(l, 8, 'f32', (length, h) =>
      Array.from({ length }, (_, i) => 2 * i + (i > 4 ? h : 0)),
    );
    const spans = [
      [0, 1],
      [3, 60],
      [7, 7],
      [0, 1000],
      [500, 900],
    ] as const;
    return [
      ...(await cache.tokens(0)).flatMap((own) => [...own]),
      ...(await cache.held(spans, [0])),
    ];
  },
};

const newest: OpCase = {
  op: 'newestKeys',
  sizes: [
    [1, 8, 1],
    [2, 64, 5],
  ],
  tolerance: 0,
  rows: needs('f32', 1),
  async run(b, [kvHeads, d, count]) {
    const shape = { kvHeads, headDim: d, rowType: 'f32', keptRows: [0], room: 9 } as const;
    return withCache(b, shape, async (cache) => {
      append(b, cache, 9, 0);
      return [...(await cache.newestKeys(0, kvHeads - 1, count))];
    });
  },
};

/** Bytes of a cache taken out in pieces and put into another give the same cache. */
const saving = types.map((type): OpCase => ({
  op: `save, read, restore and write ${type}`,
  sizes: [
    [64, 3, 5],
    [24, 70, 1, 9],
  ],
  tolerance: 0,
  rows: needs(type),
  async run(b, [dim, ...l]) {
    const d = fitting(type)(dim);
    const { cache } = b.cached(l, d, type, undefined, (n) => [...b.numbers(n)]);
    const extent = await cache.save();
    const total = sum(sectionsOf(cache.shape, extent));
    return withCache(b, { ...(cache.shape as EvenShape), room: 4 }, async (other) => {
      other.restore(extent);
      for (let at = 0; at < total; at += 100) {
        const piece = new Uint8Array(Math.min(100, total - at));
        await cache.read(piece);
        other.write(piece);
      }
      const rows = other.restored();
      append(b, other, 1, 900);
      await other.rewind({ token: 900 });
      return [...extent.lengths, ...rows, ...(await numbersOf(other))];
    });
  },
}));

export const cacheCases: readonly OpCase[] = [
  ...appending,
  ...large,
  ...compacting,
  pooling,
  rewinding,
  counting,
  newest,
  ...saving,
];
