// Layers with a state against numbers of an independent f64 implementation (test/fixtures/
// recurrent.json): a short convolution between products, a delta net and Mamba-2 from their
// convolution to their gated norm. The inputs are made here as they were made there.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CpuBackend } from '../../src/backend/cpu/memory.ts';
import type { Recurrent } from '../../src/backend/recurrent.ts';
import { createReferenceBackend } from '../../src/backend/reference.ts';
import type { Tensor } from '../../src/backend/tensor.ts';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { detectBuild } from '../../src/backend/wasm/builds.ts';
import { fixture, readJson } from '../fixtures.ts';

interface Numbers {
  readonly tokens: number;
  /** Of the outputs, row after row, every so many-th is there. */
  readonly every: number;
  readonly deltaNet: readonly number[];
  readonly mamba2: readonly number[];
  readonly shortConvolution: readonly number[];
}

const data = readJson<Numbers>(fixture('recurrent.json'));
const T = data.tokens;
const eps = 1e-6;

/** Numbers in [-1, 1) that a seed and their place make. */
function numbers(seed: number, count: number, map = (v: number) => v): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, i) => {
    let h = Math.imul(seed * 1000003 + 1 + i, 2654435761);
    h = Math.imul(h ^ (h >>> 15), 2246822519);
    return map(Math.fround(((h ^ (h >>> 13)) >>> 0) / 2 ** 31 - 1));
  });
}
const threefold = (v: number) => 3 * v;
const rate = (v: number) => -Math.exp(3 * v);

/** A backend's memory, filled. */
function createInputs(backend: CpuBackend) {
  const tensor = (columns: number, values: Float32Array<ArrayBuffer>): Tensor => {
    const address = backend.arena.allocate(values.byteLength);
    backend.write(address, values);
    return { address, columns };
  };
  const { recurrent } = backend;
  if (!recurrent) throw new Error(`${backend.name} has no recurrent layers`);
  return {
    backend,
    recurrent,
    tensor,
    tokens: (seed: number, columns: number, map?: (v: number) => number) =>
      tensor(columns, numbers(seed, T * columns, map)),
    empty: (columns: number) => tensor(columns, new Float32Array(T * columns)),
    state: (count: number) => tensor(count, new Float32Array(count)).address,
    vector: (seed: number, columns: number, map?: (v: number) => number) =>
      tensor(columns, numbers(seed, columns, map)),
  };
}
type Inputs = ReturnType<typeof createInputs>;

/** What is done to tokens t .. t + count of a layer, whose outputs are `y`. */
interface Layer {
  readonly y: Tensor;
  run(r: Recurrent, rows: (x: Tensor) => Tensor, count: number): void;
}

function deltaNet({ tokens, tensor, vector, empty, state }: Inputs): Layer {
  const [keyHeads, valueHeads, headDim, K] = [2, 6, 20, 4];
  const columns = (2 * keyHeads + valueHeads) * headDim;
  const inner = valueHeads * headDim;
  const [x, gate] = [tokens(1, columns), tokens(2, inner)];
  const [alpha, beta] = [tokens(3, valueHeads, threefold), tokens(4, valueHeads, threefold)];
  const taps = tensor(K, numbers(5, columns * K));
  const [a, dtBias, w] = [vector(6, valueHeads, rate), vector(7, valueHeads), vector(8, headDim)];
  const [inputs, y] = [empty(columns), empty(inner)];
  const [before, S] = [state((K - 1) * columns), state(inner * headDim)];
  const shape = { keyHeads, valueHeads, headDim, a, dtBias, eps };
  return {
    y,
    run(r, rows, n) {
      const [to, from] = [rows(y), rows(inputs)];
      r.convolve(from, rows(x), taps, before, n, { silu: true });
      r.deltaNet(to, from, rows(alpha), rows(beta), S, n, shape);
      r.gatedNorm(to, to, rows(gate), w, n, { eps, groups: valueHeads, order: 'norm' });
    },
  };
}

function mamba2({ tokens, tensor, vector, empty, state }: Inputs): Layer {
  const [groups, heads, P, stateSize, K] = [2, 6, 12, 20, 4];
  const inner = heads * P;
  const columns = inner + 2 * groups * stateSize;
  const [gate, x, dt] = [tokens(11, inner), tokens(12, columns), tokens(13, heads, threefold)];
  const [taps, bias] = [tensor(K, numbers(14, columns * K)), vector(15, columns)];
  const [a, d, dtBias, w] = [
    vector(16, heads, rate),
    vector(17, heads),
    vector(18, heads),
    vector(19, inner),
  ];
  const [inputs, y] = [empty(columns), empty(inner)];
  const [before, S] = [state((K - 1) * columns), state(inner * stateSize)];
  const shape = { heads, groups, stateSize, a, d, dtBias };
  return {
    y,
    run(r, rows, n) {
      const [to, from] = [rows(y), rows(inputs)];
      r.convolve(from, rows(x), taps, before, n, { bias, silu: true });
      r.mamba2(to, from, rows(dt), S, n, shape);
      r.gatedNorm(to, to, rows(gate), w, n, { eps, groups, order: 'gate' });
    },
  };
}

function shortConvolution({ tensor, empty, state }: Inputs): Layer {
  const [D, K] = [36, 3];
  const all = numbers(21, T * 3 * D);
  /** One of the three parts of each row. */
  const part = (i: number) =>
    tensor(
      D,
      Float32Array.from(
        { length: T * D },
        (_, j) => all[Math.floor(j / D) * 3 * D + i * D + (j % D)],
      ),
    );
  const [b, c, x] = [part(0), part(1), part(2)];
  const taps = tensor(K, numbers(22, D * K));
  const [inputs, y, before] = [empty(D), empty(D), state((K - 1) * D)];
  return {
    y,
    run(r, rows, n) {
      r.product(rows(inputs), rows(b), rows(x), n);
      r.convolve(rows(y), rows(inputs), taps, before, n);
      r.product(rows(y), rows(y), rows(c), n);
    },
  };
}

const layers = { deltaNet, mamba2, shortConvolution };
const cuts = {
  'in one call': [T],
  'in calls of all sizes': [63, 1, 65, 2, 5, T - 136],
  'token by token': Array.from({ length: T }, () => 1),
};

const builds = ['simd', ...(detectBuild() === 'relaxed' ? (['relaxed'] as const) : [])] as const;
const test = suite('layers with a state');
for (const backend of [
  createReferenceBackend(8 << 20),
  ...builds.map((build) => createWasmBackend(build)),
])
  for (const [name, layerOf] of Object.entries(layers))
    test(`${name}, ${backend.build}`, () => {
      const release = backend.reserveScratch({
        tokens: T,
        queryHeads: 1,
        kvHeads: 1,
        headDim: 8,
        width: 8,
        recurrentKeys: 20,
      });
      const wanted = data[name as keyof typeof layers];
      const scale = Math.max(...wanted.map(Math.abs));
      for (const [how, cut] of Object.entries(cuts)) {
        const inputs = createInputs(backend);
        const { y, run } = layerOf(inputs);
        let t = 0;
        for (const count of cut) {
          const first = t;
          const rows = ({ address, columns }: Tensor) => ({
            address: address + first * columns * 4,
            columns,
          });
          run(inputs.recurrent, rows, count);
          t += count;
        }
        assert.is(t, T);
        const found = backend
          .floats(y.address, T * y.columns)
          .filter((_, i) => i % data.every === 0);
        assert.is(found.length, wanted.length);
        wanted.forEach((right, i) =>
          assert.ok(
            Math.abs(found[i] - right) <= 1e-5 * scale,
            `${how}, ${i}: ${found[i]}, not ${right}`,
          ),
        );
      }
      release();
    });
test.run();
