// Cases of numbers that hurt on devices: exponentials out of range, scores that are all very
// negative, numbers below the least normal one, halves at both ends of theirs.
import { type RowType, weightRowBytes, weightTypes } from '../../src/backend/dtype.ts';
import { encodeRows } from './cached-rows.ts';
import { type OpCase, sum } from './case.ts';
import { needs } from './row-sizes.ts';

/** Where exp of them, or tanh of what gelu makes of them, has no f32. */
const far = [
  -1e6, -3000, -200, -104, -89, -50, -15, -13, -10, 0, 10, 13, 15, 50, 89, 104, 3000, 1e6,
];

const gates = (['silu', 'gelu', 'clamped'] as const).map((activation): OpCase => ({
  op: `glu ${activation}, far from 0`,
  sizes: [[far.length]],
  tolerance: 1e-6,
  async run(b, [n]) {
    const [g, y] = [b.tensor(1, n, Float32Array.from(far)), b.empty(1, n)];
    // large results would hide small ones
    const by = Float32Array.from(far, (x) => 1 / Math.max(1, Math.abs(x)));
    b.backend.glu(y, g, b.tensor(1, n, by), 1, activation);
    return b.floats(y, 1);
  },
}));

/** Numbers that have no f32 further on, and what is none: it is to be found behind a cap. */
const changes: OpCase[] = [
  {
    op: 'softCap, far from 0',
    sizes: [[far.length + 3]],
    tolerance: 1e-6,
    async run(b, [n]) {
      const numbers = Float32Array.from([...far, Infinity, -Infinity, NaN]);
      const y = b.tensor(1, n, numbers);
      b.backend.softCap(y, 30, 1);
      return b.floats(y, 1);
    },
  },
  {
    op: 'gateBySigmoid, far from 0',
    sizes: [[far.length]],
    tolerance: 1e-6,
    async run(b, [n]) {
      const y = b.tensor(1, n);
      b.backend.gateBySigmoid(y, b.tensor(1, n, Float32Array.from(far)), 1);
      return b.floats(y, 1);
    },
  },
];

/** Keys of a channel each, which queries of `by` meet: scores by / sqrt(d) (1 + i / 8). */
const steep = (type: RowType, by: number): OpCase => ({
  op: `attention and observe of scores by ${by}, ${type}`,
  sizes: [
    [64, 1, 9, 9],
    [64, 3, 70, 5],
  ],
  tolerance: 1e-5,
  rows: needs(type),
  async run(b, [d, T, ...l]) {
    const key = (i: number) =>
      Float32Array.from({ length: d }, (_, j) => (j === 0 ? 1 + (i % 24) / 8 : 0));
    const heads = l.map((length, h) => {
      const keys = Array.from({ length }, (_, i) => key(i));
      const values = keys.map(() => b.numbers(d));
      const tokens = keys.map((_, i) => i);
      return { rows: encodeRows(keys, values, type, h), tokens, states: tokens.map(() => 0) };
    });
    const { rows } = b.put(heads, d, type);
    const queries = b.tensor(
      T,
      l.length * d,
      Float32Array.from({ length: T * l.length * d }, (_, j) => (j % d === 0 ? by : 0)),
    );
    const out = b.empty(T, l.length * d);
    b.backend.attention(out, queries, rows, T);
    const how = { queries, count: T, causal: true, aggregate: 'mean' } as const;
    const seen = b.backend.observe(b.room(4 * sum(l)), rows, how);
    return [...(await b.floats(out, T)), ...(await b.readScores(seen))];
  },
});

const tiny = [1e-39, -1e-45, 1.17549421e-38, -2e-38, 3e-38, 0, -0, 1];

const small: OpCase[] = [
  {
    op: 'copy and read of numbers below the least normal one',
    sizes: [[tiny.length]],
    tolerance: 0,
    async run(b, [n]) {
      const [x, y] = [b.tensor(1, n, Float32Array.from(tiny)), b.empty(1, n)];
      b.backend.copy(y.address, x.address, 4 * n);
      return [...(await b.backend.readInts(y.address, n)), ...(await b.floats(x, 1))];
    },
  },
  {
    op: 'add and scale of numbers below the least normal one',
    sizes: [[tiny.length]],
    tolerance: 0,
    denormals: true,
    async run(b, [n]) {
      const numbers = Float32Array.from(tiny.slice(0, 5));
      const [x, y] = [b.tensor(1, 5, numbers), b.tensor(1, 5, new Float32Array(5))];
      const z = b.tensor(1, n, Float32Array.from(tiny));
      b.backend.add(y, x, 1);
      b.backend.scale(z, 0.5, 1);
      return [...(await b.floats(y, 1)), ...(await b.floats(z, 1))];
    },
  },
  {
    op: 'rmsNorm of very small and of very large numbers',
    sizes: [[64], [7]],
    tolerance: 1e-6,
    async run(b, [d]) {
      const by = [1e-30, 1e-12, 1e12, 1e17];
      const numbers = Float32Array.from(by.flatMap((one) => [...b.numbers(d)].map((x) => x * one)));
      const [x, w] = [b.tensor(by.length, d, numbers), b.vector(d)];
      b.backend.rmsNorm(x, x, w, by.length, 1e-5);
      return b.floats(x, by.length);
    },
  },
];

/** Bits of halves: the least and the largest subnormal one, the least normal, the largest. */
const halves = [0x0001, 0x83ff, 0x0400, 0x7bff];

/** A type of halves, and those that scale a type's blocks: where in a block they lie. */
const placesOf = {
  f16: [0],
  q8_0: [0],
  q4_k: [0, 2],
  q2_k: [80, 82],
  q3_k: [108],
  q6_k: [208],
  iq4_xs: [0],
  iq2_s: [0],
};

const ofHalves = Object.entries(placesOf).map(([name, places]): OpCase => {
  const type = weightTypes.find((one) => one.name === name)!;
  return {
    op: `embed and linear ${name}, halves at their ends`,
    sizes: [[halves.length]],
    tolerance: 1e-6,
    device: 'sums',
    async run(b, [m]) {
      const columns = Math.max(32, type.elements);
      const rowBytes = weightRowBytes(type, columns);
      const file = new Uint8Array(m * rowBytes).fill(1);
      const view = new DataView(file.buffer);
      const blockBytes = weightRowBytes(type, type.elements);
      for (let at = 0; at < file.length; at += blockBytes)
        for (const place of places)
          view.setUint16(at + place, halves[Math.floor(at / rowBytes)], true);
      const w = b.weight(type, m, columns, file);
      const [y, one] = [b.empty(m, columns), b.empty(1, m)];
      const ids = b.integers(Array.from({ length: m }, (_, i) => i));
      b.backend.embed(y, w, ids, m);
      b.backend.linear([[one, w]], b.tensor(1, columns, new Float32Array(columns).fill(0.5)), 1);
      // each row by itself: the largest would hide the smallest
      const [rows, sums] = [await b.floats(y, m), await b.floats(one, 1)];
      const scaleOf = (i: number) => [2 ** -24, 2 ** -14, 2 ** -14, 65_504][i];
      return [
        ...rows.map((x, i) => x / scaleOf(Math.floor(i / columns))),
        ...sums.map((x, i) => x / scaleOf(i)),
      ];
    },
  };
});

export const extremeCases: readonly OpCase[] = [
  ...gates,
  ...changes,
  ...[-1000, 1000].map((by) => steep('f16', by)),
  ...[-1e30, -1e34, 1e34].map((by) => steep('f32', by)),
  ...small,
  ...ofHalves,
];
