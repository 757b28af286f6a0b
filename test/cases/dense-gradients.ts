// Gradients of what is done number by number, of attention over a batch, and of the loss; and the
// steps of training that have none.
import type { DenseAttention } from '../../src/backend/training.ts';
import { type GradientCase, gradientCase } from './gradients.ts';
import type { CpuBench, KernelCase } from './cpu-bench.ts';

const rowSizes = [
  [0, 5],
  [1, 1],
  [3, 7],
  [5, 64],
  [37, 33], // more rows than there are parts of a norm's weights
];

const normCases = [false, true].map((add) =>
  gradientCase({
    op: `rmsNorm${add ? ', added' : ''}, gradients of x and w`,
    sizes: rowSizes,
    tolerance: 1e-5,
    twoWay(b, [n, d]) {
      const [x, w, dw, dy] = [b.tensor(n, d), b.tensor(1, d), b.tensor(1, d), b.tensor(n, d)];
      // a gradient that is not added to takes the place of dy
      const [dx, y] = [add ? b.tensor(n, d) : dy, b.empty(n, d)];
      return {
        variables: [
          { of: x, gradient: dx, rows: n, added: add },
          { of: w, gradient: dw, rows: 1, added: true },
        ],
        y,
        dy,
        rows: n,
        forward: () => b.backend.rmsNorm(y, x, w, n, 1e-5),
        backward: () => b.training.rmsNormGradient(dx, dy, x, w, n, 1e-5, { dw, add }),
      };
    },
  }),
);

/** `places`: where gradients are made, of room of their own, gate, up and dy. */
const gatedCases = (
  [
    ['swiglu', 'silu'],
    ['geglu', 'gelu'],
  ] as const
).flatMap(([op, activation]) =>
  (['apart', 'in place', 'over dy'] as const).map((places) =>
    gradientCase({
      op: `${op}, gradients ${places}`,
      sizes: rowSizes,
      tolerance: 1e-5,
      twoWay(b, [n, c]) {
        const [gate, up, dy] = [b.tensor(n, c), b.tensor(n, c), b.tensor(n, c)];
        const [y, own, other] = [b.empty(n, c), b.empty(n, c), b.empty(n, c)];
        const dgate = places === 'in place' ? gate : own;
        const dup = { apart: other, 'in place': up, 'over dy': dy }[places];
        return {
          variables: [
            { of: gate, gradient: dgate, rows: n },
            { of: up, gradient: dup, rows: n },
          ],
          y,
          dy,
          rows: n,
          forward: () => b.backend.glu(y, gate, up, n, activation),
          backward: () => b.training[`${op}Gradient`](dgate, dup, dy, gate, up, n),
        };
      },
    }),
  ),
);

const ropeCases = (['pairs', 'halves'] as const).map((style) =>
  gradientCase({
    op: `rope ${style}, gradient`,
    sizes: [
      [0, 1, 4, 4],
      [1, 1, 2, 2],
      [5, 2, 10, 6],
      [3, 3, 64, 64],
      [2, 1, 42, 38],
    ],
    tolerance: 1e-5,
    twoWay(b, [n, heads, d, rotated]) {
      const [x, y, dy] = [b.tensor(n, heads * d), b.empty(n, heads * d), b.tensor(n, heads * d)];
      const angles = { ...b.tensor(n, rotated), rotated, style };
      return {
        variables: [{ of: x, gradient: dy, rows: n }],
        y,
        dy,
        rows: n,
        forward() {
          b.backend.copy(y.address, x.address, n * heads * d * 4);
          b.backend.rope(y, angles, n, heads, d);
        },
        backward: () => b.training.ropeGradient(dy, angles, n, heads, d),
      };
    },
  }),
);

/** A batch of sequences with a gap before each but the first. */
function batchOf(
  b: CpuBench,
  [window, queryHeads, kvHeads, headDim, ...counts]: readonly number[],
) {
  let end = 0;
  const sequences = counts.map((count, i) => {
    const from = end + (i > 0 ? 1 : 0);
    end = from + count;
    return { from, count };
  });
  const T = end;
  const how: DenseAttention = {
    queryHeads,
    kvHeads,
    headDim,
    ...(window > 0 && { window }),
    sequences,
  };
  const queries = () => b.tensor(T, queryHeads * headDim);
  const keys = () => b.tensor(T, kvHeads * headDim);
  return { T, how, queries, keys, of: { q: queries(), k: keys(), v: keys() } };
}

// window (0: none), query heads, kv heads, d, tokens of each sequence: around tiles of 64 tokens,
// panels of 8 and tiles of 4
const attentionSizes = [
  [0, 1, 1, 1],
  [0, 1, 1, 1, 1],
  [0, 2, 1, 3, 5],
  [0, 3, 1, 8, 9, 1, 4],
  [0, 4, 2, 7, 66, 3],
  [1, 2, 2, 4, 7, 2],
  [5, 2, 1, 16, 9, 67],
  [64, 1, 1, 4, 131],
  [70, 1, 1, 3, 193],
  [500, 2, 1, 17, 65],
];

const attentionCase = gradientCase({
  op: 'denseAttention, gradients of q, k and v',
  sizes: attentionSizes,
  tolerance: 1e-5,
  twoWay(b, size) {
    const { T, how, queries, keys, of } = batchOf(b, size);
    const d = { q: queries(), k: keys(), v: keys() };
    const [y, dy] = [queries(), queries()];
    const [sums, spare] = [b.empty(T, how.queryHeads), b.empty(T, how.queryHeads)];
    return {
      variables: (['q', 'k', 'v'] as const).map((p) => ({ of: of[p], gradient: d[p], rows: T })),
      y,
      dy,
      rows: T,
      forward: () => b.training.denseAttention(y, sums, of, how),
      backward: () => b.training.denseAttentionGradient(d, dy, y, sums, spare, of, how),
    };
  },
});

const lossCase = gradientCase({
  op: 'crossEntropy, gradient of the log-odds',
  // columns around four lanes, four of them, and the pieces that are added in f32
  sizes: [
    [0, 3],
    [1, 1],
    [3, 7],
    [2, 64],
    [5, 83],
    [2, 4096],
    [1, 12301],
  ],
  tolerance: 1e-6,
  twoWay(b, [n, V]) {
    const scale = 0.37;
    const [x, dx] = [b.tensor(n, V), b.empty(n, V)];
    const [y, dy, targets] = [b.empty(n, 1), b.empty(n, 1), b.room(n * 4)];
    b.backend.floats(dy.address, n).fill(scale);
    b.backend.ints(targets, n).set(Array.from({ length: n }, () => b.whole(V)));
    return {
      variables: [{ of: x, gradient: dx, rows: n }],
      y,
      dy,
      rows: n,
      // the gradient takes the place of what goes in
      forward() {
        b.backend.copy(dx.address, x.address, n * V * 4);
        b.training.crossEntropy(y.address, dx, targets, n, scale);
      },
      backward() {},
    };
  },
});

export const denseGradientCases: readonly GradientCase[] = [
  ...normCases,
  ...gatedCases,
  ...ropeCases,
  attentionCase,
  lossCase,
];

/** What has no gradient of its own. */
export const trainingCases: readonly KernelCase[] = [
  {
    op: 'denseAttention, sums',
    sizes: attentionSizes,
    tolerance: 1e-6,
    run(b, size) {
      const { T, how, queries, of } = batchOf(b, size);
      const [out, sums] = [queries(), b.tensor(T, how.queryHeads)];
      b.training.denseAttention(out, sums, of, how);
      return b.read(sums, T);
    },
  },
  {
    op: 'adamW',
    sizes: [[0], [1], [7], [64], [1027], [4099]],
    tolerance: 1e-6,
    run(b, [count]) {
      const [w, g, m, v] = Array.from({ length: 4 }, () => b.tensor(1, count));
      const squares = b.backend.floats(v.address, count);
      squares.set(squares.map(Math.abs));
      const how = { rate: 0.03, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: 0.1 };
      for (const step of [1, 2]) {
        b.backend.floats(g.address, count).set(b.numbers(count));
        const { address } = w;
        const it = { ...how, step, gradientScale: 0.7 };
        b.training.adamW(address, g.address, m.address, v.address, count, it);
      }
      return [w, g, m, v].flatMap((x) => b.read(x, 1));
    },
  },
  {
    op: 'clear',
    sizes: [[0], [1], [67]],
    tolerance: 0,
    run(b, [count]) {
      const x = b.tensor(1, count + 1);
      b.training.clear(x.address, count);
      return b.read(x, 1);
    },
  },
];
