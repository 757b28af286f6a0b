// Cases of products with weights of every type, and of embedding tables.
import { weightTypes, type WeightType } from '../../src/backend/dtype.ts';
import type { OpCase } from './case.ts';

/** Tokens, rows and columns: around tiles of 4 tokens and panels of 8 rows. */
function sizesOf({ elements: k }: WeightType): { sizes: number[][]; more: number[][] } {
  const columns = k === 1 ? [1, 7, 513, 1030] : [k, 3 * k, k === 32 ? 544 : 2 * k];
  const all = columns.flatMap((c, i) => [
    [1, 1, c],
    [i + 2, 8, c],
    [5, 9, c],
    [4, 19, c],
  ]);
  const few = [all[0], all[5], all[6], all.at(-1)!];
  return { sizes: [[0, 3, k], ...few], more: all.filter((size) => !few.includes(size)) };
}

/**
 * Quantised weights meet x rounded to 16 bits in blocks, and a sum may cancel to far less than its
 * parts: one number alone is a hard judge.
 */
const looseness = ({ elements }: WeightType) =>
  elements === 1 ? 3e-5 : elements === 32 ? 1e-3 : 4e-3;

function productCasesOf(type: WeightType): OpCase[] {
  const { sizes, more } = sizesOf(type);
  const k = type.elements;
  return [
    {
      op: `linear ${type.name}`,
      sizes,
      more,
      tolerance: looseness(type),
      async run(b, [n, m, c]) {
        const [w, x, y] = [b.weight(type, m, c), b.tensor(n, c), b.empty(n, m)];
        b.backend.linear([[y, w]], x, n);
        return b.floats(y, n);
      },
    },
    {
      op: `linearOne ${type.name}`,
      sizes: sizes.slice(1).map(([, m, c]) => [m, c]),
      more: more.map(([, m, c]) => [m, c]),
      tolerance: looseness(type),
      async run(b, [m, c]) {
        const [w, x, y] = [b.weight(type, m, c), b.tensor(1, c), b.empty(1, m)];
        b.backend.linearOne([[y, w]], x);
        return b.floats(y, 1);
      },
    },
    {
      op: `embed ${type.name}`,
      sizes: [
        [0, 3, k],
        [1, 1, k],
        [5, 11, 2 * k],
      ],
      tolerance: 1e-6,
      async run(b, [n, m, c]) {
        const [w, y] = [b.weight(type, m, c), b.empty(n, c)];
        const ids = b.integers(Array.from({ length: n }, () => b.whole(m)));
        b.backend.embed(y, w, ids, n);
        return b.floats(y, n);
      },
    },
  ];
}

/** Several products of one input, as queries, keys and values are: their types may differ. */
const together: OpCase = {
  op: 'linear and linearOne of three products',
  sizes: [
    [1, 8],
    [5, 9],
  ],
  tolerance: 4e-3,
  async run(b, [n, m]) {
    const found = (name: string) => weightTypes.find((type) => type.name === name)!;
    const columns = 256;
    const x = b.tensor(n, columns);
    const products = ['q8_0', 'f32', 'q4_k'].map((name, i) => {
      const w = b.weight(found(name), m + 4 * i, columns);
      return [b.empty(n, w.rows), w] as const;
    });
    b.backend.linear(products, x, n);
    const block = await Promise.all(products.map(([y]) => b.floats(y, n)));
    b.backend.linearOne(products, x);
    const one = await Promise.all(products.map(([y]) => b.floats(y, n)));
    return [...block, ...one].flat();
  },
};

export const productCases: readonly OpCase[] = [...weightTypes.flatMap(productCasesOf), together];
