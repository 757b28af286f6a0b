// Gradients of products with weights, of biases and of embedding tables.
import { weightTypes, type WeightType } from '../../src/backend/dtype.ts';
import type { Tensor } from '../../src/backend/tensor.ts';
import { type GradientCase, gradientCase } from './gradients.ts';
import type { CpuBench } from './cpu-bench.ts';

const f32 = weightTypes.find(({ name }) => name === 'f32')!;

/** Numbers of tokens, of rows and of columns: around tiles of 4 tokens and panels of 8 rows. */
const inputSizes = ({ name, elements: k }: WeightType) => [
  [0, 3, k],
  [1, 1, k],
  [3, 8, 2 * k],
  [4, 19, k],
  [7, 5, 3 * k],
  // more rows than a panel of the widest blocks has
  [2, 70, k],
  ...(k === 1
    ? [
        [5, 4, 31],
        [8, 530, 12],
        [6, 7, 70],
      ]
    : []),
  // dy is rounded for some rows at a time
  ...(name === 'q8_0' ? [[2, 2083, k]] : []),
];

const weightSizes = [
  [0, 3, 5],
  [1, 1, 1],
  [2, 8, 4],
  [3, 9, 7],
  [4, 19, 70],
  [301, 4, 12],
  [7, 33, 3],
  [5, 2, 131],
];

function inputCases(type: WeightType): GradientCase[] {
  return [false, true].map((add) =>
    gradientCase({
      op: `linear${add ? ', added' : ''} ${type.name}, gradient of x`,
      sizes: inputSizes(type),
      // quantised weights meet dy rounded, and are rounded once more
      tolerance: type.rounded ? 1e-3 : 1e-5,
      twoWay(b, [n, m, k]) {
        // two products of one input, as queries and keys are; what they give lies side by side
        const weights = [b.weight(type, m, k), b.weight(type, m + 3, k)];
        const x = b.tensor(n, k);
        const dx = b.tensor(n, k);
        const ys = weights.map(({ rows }) => b.tensor(n, rows));
        const dys = weights.map(({ rows }) => b.tensor(n, rows));
        const [y, dy] = [b.empty(n, 2 * m + 3), b.empty(n, 2 * m + 3)];
        joinColumns(b, dy, dys, n);
        return {
          variables: [{ of: x, gradient: dx, rows: n, added: add }],
          y,
          dy,
          rows: n,
          forward() {
            b.backend.linear(
              weights.map((w, i) => [ys[i], w]),
              x,
              n,
            );
            joinColumns(b, y, ys, n);
          },
          backward: () =>
            b.training.linearGradient(
              dx,
              weights.map((w, i) => [dys[i], w]),
              n,
              ...(add ? [true] : []),
            ),
        };
      },
    }),
  );
}

/** Rows of several tensors side by side. */
function joinColumns(b: CpuBench, to: Tensor, from: readonly Tensor[], n: number): void {
  const rows = b.backend.floats(to.address, n * to.columns);
  let at = 0;
  for (const { address, columns } of from) {
    const numbers = b.backend.floats(address, n * columns);
    for (let i = 0; i < n; i++)
      rows.set(numbers.subarray(i * columns, (i + 1) * columns), i * to.columns + at);
    at += columns;
  }
}

export const productGradientCases: readonly GradientCase[] = [
  ...weightTypes.flatMap(inputCases),
  gradientCase({
    op: 'linear f32, gradient of W',
    sizes: weightSizes,
    tolerance: 1e-5,
    twoWay(b, [n, m, k]) {
      const [w, dw] = [b.weight(f32, m, k), b.weight(f32, m, k)];
      const [x, y, dy] = [b.tensor(n, k), b.empty(n, m), b.tensor(n, m)];
      return {
        variables: [{ of: w, gradient: dw, rows: m, added: true }],
        y,
        dy,
        rows: n,
        forward: () => b.backend.linear([[y, w]], x, n),
        backward: () => b.training.weightGradient(dw, dy, x, n),
      };
    },
  }),
  gradientCase({
    op: 'linear f32, gradient of the bias',
    sizes: [
      [0, 3],
      [1, 1],
      [5, 19],
      [40, 70],
    ],
    tolerance: 1e-5,
    twoWay(b, [n, m]) {
      const [bias, db, dy, y] = [b.tensor(1, m), b.tensor(1, m), b.tensor(n, m), b.empty(n, m)];
      const [w, x] = [b.weight(f32, m, 2), b.tensor(n, 2)];
      return {
        variables: [{ of: bias, gradient: db, rows: 1, added: true }],
        y,
        dy,
        rows: n,
        forward: () => b.backend.linear([[y, w, bias]], x, n),
        backward: () => b.training.biasGradient(db, dy, n),
      };
    },
  }),
  gradientCase({
    op: 'embed f32, gradient of the table',
    // fewer rows than tokens: some come again
    sizes: [
      [0, 3, 5],
      [1, 1, 1],
      [9, 4, 7],
      [40, 13, 70],
    ],
    tolerance: 1e-5,
    twoWay(b, [n, m, k]) {
      const [w, dw] = [b.weight(f32, m, k), b.weight(f32, m, k)];
      const [y, dy, ids] = [b.empty(n, k), b.tensor(n, k), b.room(n * 4)];
      b.backend.ints(ids, n).set(Array.from({ length: n }, () => b.whole(m)));
      return {
        variables: [{ of: w, gradient: dw, rows: m, added: true }],
        y,
        dy,
        rows: n,
        forward: () => b.backend.embed(y, w, ids, n),
        backward: () => b.training.embeddingGradient(dw, dy, ids, n),
      };
    },
  }),
];
