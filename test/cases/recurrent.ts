// Cases of recurrent layers: tokens in one call, and a state that is carried from call to call, a
// token alone among them.
import type { Tensor } from '../../src/backend/tensor.ts';
import type { Recurrent } from '../../src/backend/recurrent.ts';
import type { Bench } from './bench.ts';
import type { OpCase } from './case.ts';

function recurrentOf({ backend }: Bench): Recurrent {
  if (!backend.recurrent) throw new Error(`backend ${backend.name} has no recurrent layers`);
  return backend.recurrent;
}

/** The tokens of a tensor from `t` on. */
const from = ({ address, columns }: Tensor, t: number): Tensor => ({
  address: address + t * columns * 4,
  columns,
});

/** How T tokens are cut into calls: all but the last seven, five, one, and one. */
function cutsOf(T: number): (readonly [t: number, count: number])[] {
  const ends = [...new Set([T - 7, T - 2, T - 1, T].map((end) => Math.max(0, end)))];
  return ends.map((end, i) => [ends[i - 1] ?? 0, end - (ends[i - 1] ?? 0)] as const);
}

/** Outputs of T tokens in one call and in several, and the states that both leave. */
async function everyCut(
  b: Bench,
  T: number,
  columns: number,
  state: Float32Array<ArrayBuffer>,
  run: (y: Tensor, state: Tensor, t: number, count: number) => void,
): Promise<number[]> {
  const found: number[] = [];
  for (const cuts of [[[0, T] as const], cutsOf(T)]) {
    const y = b.empty(T, columns);
    const own = b.tensor(1, state.length, state);
    for (const [t, count] of cuts) run(from(y, t), own, t, count);
    found.push(...(await b.floats(y, T)), ...(await b.floats(own, 1)));
  }
  return found;
}

const convolutions = [
  { op: 'convolve', bias: false, silu: false },
  { op: 'convolve, bias and silu', bias: true, silu: true },
].map(({ op, bias, silu }): OpCase => ({
  op,
  needs: 'recurrent',
  // tokens, channels and taps
  sizes: [
    [0, 3, 2],
    [1, 1, 1],
    [2, 5, 4],
    [9, 37, 4],
    [11, 64, 3],
  ],
  more: [
    [3, 600, 7],
    [20, 1037, 4],
    [2, 7, 100],
  ],
  tolerance: 1e-6,
  run(b, [T, C, K]) {
    const [x, w] = [b.tensor(T, C), b.vector(C * K)];
    const how = { silu, ...(bias && { bias: b.vector(C) }) };
    const taps = { address: w.address, columns: K };
    return everyCut(b, T, C, b.numbers((K - 1) * C), (y, state, t, count) =>
      recurrentOf(b).convolve(y, from(x, t), taps, state.address, count, how),
    );
  },
}));

/** Logs of decays a token: small ones, and such as leave nothing. */
const ratesFor = (b: Bench, heads: number) =>
  b.vector(
    heads,
    new Float32Array(b.numbers(heads).map((v, i) => -Math.exp(3 * v) * (1 + 9 * (i % 2)))),
  );

const deltaNets: OpCase = {
  op: 'deltaNet',
  needs: 'recurrent',
  // tokens, key heads, value heads, and their dimensions
  sizes: [
    [0, 1, 1, 4],
    [1, 1, 1, 1],
    [12, 2, 4, 20],
    [73, 1, 2, 8],
    [140, 1, 1, 24],
  ],
  more: [
    [3, 1, 3, 7],
    [71, 3, 6, 36],
    [72, 1, 2, 80],
    [200, 2, 2, 16],
    [75, 1, 1, 128],
  ],
  tolerance: 1e-5,
  device: 'exponentials',
  run(b, [T, keyHeads, valueHeads, d]) {
    const x = b.tensor(T, (2 * keyHeads + valueHeads) * d);
    const [alpha, beta] = [b.tensor(T, valueHeads), b.tensor(T, valueHeads)];
    const [a, dtBias] = [ratesFor(b, valueHeads), b.vector(valueHeads)];
    const shape = { keyHeads, valueHeads, headDim: d, a, dtBias, eps: 1e-6 };
    return everyCut(b, T, valueHeads * d, b.numbers(valueHeads * d * d), (y, state, t, count) => {
      const inputs = [from(x, t), from(alpha, t), from(beta, t)] as const;
      recurrentOf(b).deltaNet(y, ...inputs, state.address, count, shape);
    });
  },
};

const mambas: OpCase = {
  op: 'mamba2',
  needs: 'recurrent',
  // tokens, heads, groups, values of a head and numbers of a state
  sizes: [
    [0, 1, 1, 4, 4],
    [1, 1, 1, 1, 1],
    [12, 4, 2, 20, 6],
    [73, 2, 1, 8, 16],
    [140, 1, 1, 12, 24],
  ],
  more: [
    [3, 3, 1, 7, 5],
    [71, 6, 3, 36, 20],
    [72, 2, 2, 64, 128],
    [200, 3, 1, 16, 8],
  ],
  tolerance: 1e-5,
  device: 'exponentials',
  run(b, [T, heads, groups, P, stateSize]) {
    const x = b.tensor(T, heads * P + 2 * groups * stateSize);
    const dt = b.tensor(T, heads);
    const [a, d, dtBias] = [ratesFor(b, heads), b.vector(heads), b.vector(heads)];
    const shape = { heads, groups, stateSize, a, d, dtBias };
    return everyCut(b, T, heads * P, b.numbers(heads * P * stateSize), (y, state, t, count) =>
      recurrentOf(b).mamba2(y, from(x, t), from(dt, t), state.address, count, shape),
    );
  },
};

const norms = (['norm', 'gate'] as const).map((order): OpCase => ({
  op: `gatedNorm, ${order} first`,
  needs: 'recurrent',
  // rows, groups, their columns, and whether they share weights
  sizes: [
    [0, 1, 4, 1],
    [1, 1, 1, 1],
    [3, 4, 7, 1],
    [5, 3, 64, 0],
    [2, 1, 1025, 0],
  ],
  tolerance: 1e-6,
  async run(b, [n, groups, d, shared]) {
    const [x, gate] = [b.tensor(n, groups * d), b.tensor(n, groups * d)];
    const [w, y] = [b.vector(shared ? d : groups * d), b.empty(n, groups * d)];
    const into = b.tensor(
      n,
      groups * d,
      new Float32Array(await b.backend.readFloats(gate.address, n * groups * d)),
    );
    const norm = (to: Tensor, by: Tensor) =>
      recurrentOf(b).gatedNorm(to, x, by, w, n, { eps: 1e-5, groups, order });
    norm(y, gate);
    norm(into, into);
    norm(x, gate);
    return [...(await b.floats(y, n)), ...(await b.floats(into, n)), ...(await b.floats(x, n))];
  },
}));

const products: OpCase = {
  op: 'product',
  needs: 'recurrent',
  sizes: [
    [0, 1],
    [1, 1],
    [3, 7],
    [4, 33],
  ],
  tolerance: 0,
  async run(b, [n, c]) {
    const [x, z, y] = [b.tensor(n, c), b.tensor(n, c), b.empty(n, c)];
    const { product } = recurrentOf(b);
    product(y, x, z, n);
    product(x, x, z, n);
    product(z, y, z, n);
    return [...(await b.floats(y, n)), ...(await b.floats(x, n)), ...(await b.floats(z, n))];
  },
};

export const recurrentCases: readonly OpCase[] = [
  ...convolutions,
  deltaNets,
  mambas,
  ...norms,
  products,
];
