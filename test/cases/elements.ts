// Cases of what is done number by number: norms, sums, gates, rotations; and of memory itself.
import type { OpCase } from './case.ts';

const shapes = [
  [0, 1],
  [1, 1],
  [3, 7],
  [5, 8],
  [4, 33],
]; // rows and columns

const memory: OpCase[] = [
  {
    op: 'write, copy and read',
    // bytes there are, and from where to where they are copied: apart, and over themselves
    sizes: [
      [16, 0, 8, 0],
      [64, 0, 32, 32],
      [1024, 4, 8, 1000],
      [1024, 8, 4, 1000],
      [4096, 64, 0, 4032],
      [70_000, 0, 20_000, 50_000],
    ],
    tolerance: 0,
    async run(b, [bytes, from, to, count]) {
      const at = b.room(bytes);
      b.backend.write(
        at,
        Uint8Array.from({ length: bytes }, () => b.whole(256)),
      );
      b.backend.copy(at + to, at + from, count);
      // a read sees what was asked for before it, and nothing behind it
      const before = b.backend.readInts(at, bytes / 4);
      b.backend.write(at + 4, Float32Array.of(0.5, -2));
      b.backend.copy(at + 12, at + 4, 4);
      return [...(await before), ...(await b.backend.readFloats(at + 4, 3))];
    },
  },
];

const norms: OpCase[] = [
  {
    op: 'rmsNorm',
    sizes: [
      [0, 4],
      [1, 1],
      [3, 7],
      [5, 64],
      [2, 1025],
    ],
    tolerance: 1e-6,
    async run(b, [n, d]) {
      const [x, w, y] = [b.tensor(n, d), b.vector(d), b.empty(n, d)];
      b.backend.rmsNorm(y, x, w, n, 1e-5);
      b.backend.rmsNorm(x, x, w, n, 1e-5);
      const found = [...(await b.floats(y, n)), ...(await b.floats(x, n))];
      b.backend.rmsNorm(y, x, { columns: d }, n, 1e-5);
      return [...found, ...(await b.floats(y, n))];
    },
  },
];

const activations = ['silu', 'gelu', 'sparse-gelu', 'clamped'] as const;
const gates = activations.map((activation): OpCase => ({
  op: `glu ${activation}`,
  sizes: activation === 'sparse-gelu' ? [...shapes, [2, 1030]] : shapes,
  tolerance: 1e-6,
  async run(b, [n, c]) {
    const [g, u, y] = [b.tensor(n, c), b.tensor(n, c), b.empty(n, c)];
    b.backend.glu(y, g, u, n, activation);
    b.backend.glu(g, g, u, n, activation);
    return [...(await b.floats(y, n)), ...(await b.floats(g, n))];
  },
}));

/** What is done to each number by itself, or by what stands beside it. */
const changes: OpCase[] = [
  {
    op: 'gateBySigmoid',
    sizes: shapes,
    tolerance: 1e-6,
    async run(b, [n, c]) {
      const [y, gate] = [b.tensor(n, c), b.tensor(n, c)];
      b.backend.gateBySigmoid(y, gate, n);
      return b.floats(y, n);
    },
  },
  {
    op: 'squaredRelu',
    sizes: shapes,
    tolerance: 1e-7,
    async run(b, [n, c]) {
      const y = b.tensor(n, c);
      b.backend.squaredRelu(y, n);
      return b.floats(y, n);
    },
  },
  {
    op: 'softCap',
    sizes: shapes,
    tolerance: 1e-6,
    async run(b, [n, c]) {
      const y = b.tensor(n, c);
      b.backend.softCap(y, 3, n);
      return b.floats(y, n);
    },
  },
  {
    op: 'multiplyColumns',
    sizes: shapes,
    tolerance: 1e-7,
    async run(b, [n, c]) {
      // rows of y, and heads of a row
      const [y, z, by] = [b.tensor(n, c), b.tensor(n, 3 * c), b.vector(c)];
      b.backend.multiplyColumns(y, by, n);
      b.backend.multiplyColumns(z, by, 3 * n);
      return [...(await b.floats(y, n)), ...(await b.floats(z, n))];
    },
  },
];

const sums: OpCase[] = [
  {
    op: 'scale',
    sizes: shapes,
    tolerance: 1e-7,
    async run(b, [n, c]) {
      const y = b.tensor(n, c);
      b.backend.scale(y, 33.94, n);
      return b.floats(y, n);
    },
  },
  {
    op: 'add',
    sizes: [...shapes, [3, 1030]],
    tolerance: 0,
    async run(b, [n, c]) {
      const [x, y] = [b.tensor(n, c), b.tensor(n, c)];
      b.backend.add(x, y, n);
      return b.floats(x, n);
    },
  },
];

const ropes = (['pairs', 'halves'] as const).map((style): OpCase => ({
  op: `rope ${style}`,
  sizes: [
    [0, 1, 4, 4],
    [1, 1, 2, 2],
    [3, 2, 10, 6],
    [5, 3, 64, 64],
    [2, 1, 7, 4],
  ],
  tolerance: 1e-6,
  async run(b, [n, heads, d, rotated]) {
    const x = b.tensor(n, heads * d);
    const angles = { ...b.tensor(n, rotated), rotated, style };
    b.backend.rope(x, angles, n, heads, d);
    return b.floats(x, n);
  },
}));

export const elementCases: readonly OpCase[] = [
  ...memory,
  ...norms,
  ...gates,
  ...changes,
  ...sums,
  ...ropes,
];
