// Layers with a state on the shapes of models that have them: tokens a second of a prompt in blocks
// over those of a reply, which meets the states of all layers in turn, as a forward pass does. The
// bar is 4 times as many.
import { createWasmBackend } from '../src/backend/wasm/backend.ts';
import { weightTypes } from '../src/backend/dtype.ts';
import type { Recurrent } from '../src/backend/recurrent.ts';
import type { Tensor } from '../src/backend/tensor.ts';
import { CpuBench as Inputs } from '../test/cases/cpu-bench.ts';
import type { BenchGroup } from './case.ts';
import { sideBySide, tileWork } from './limit.ts';

/** Tokens of a block of a prompt. */
const T = 256;

/** What is done to `count` tokens of layer `layer`. */
interface Work {
  readonly name: string;
  readonly layers: number;
  /** Multiplications and additions of a token that there must be, where they are what takes time. */
  readonly flops?: number;
  run(layer: number, count: number): void;
}

const recurrentOf = ({ backend }: Inputs): Recurrent => {
  if (!backend.recurrent) throw new Error(`${backend.name} has no recurrent layers`);
  return backend.recurrent;
};

/** States of layers, one behind the other. */
const statesOf = (inputs: Inputs, layers: number, count: number) => {
  const states = inputs.tensor(layers, count);
  return (layer: number) => states.address + layer * count * 4;
};

/** A token's decay, as models have it: most is kept. */
const ratesOf = (inputs: Inputs, heads: number): Tensor =>
  inputs.vector(
    heads,
    inputs.numbers(heads).map((v) => -Math.exp(v) / 16),
  );

function convolution(inputs: Inputs, model: string, C: number, K: number, layers: number): Work {
  const [x, y, w] = [inputs.tensor(T, C), inputs.empty(T, C), inputs.tensor(C, K)];
  const state = statesOf(inputs, layers, (K - 1) * C);
  const silu = K > 3;
  return {
    name: `convolve ${C} x ${K}, ${model}`,
    layers,
    run: (layer, n) => recurrentOf(inputs).convolve(y, x, w, state(layer), n, { silu }),
  };
}

function deltaNet(
  inputs: Inputs,
  model: string,
  heads: readonly [number, number],
  d: number,
  layers: number,
): Work {
  const [keyHeads, valueHeads] = heads;
  const [x, y] = [
    inputs.tensor(T, (2 * keyHeads + valueHeads) * d),
    inputs.empty(T, valueHeads * d),
  ];
  const [alpha, beta] = [inputs.tensor(T, valueHeads), inputs.tensor(T, valueHeads)];
  const [a, dtBias] = [ratesOf(inputs, valueHeads), inputs.vector(valueHeads)];
  const shape = { keyHeads, valueHeads, headDim: d, a, dtBias, eps: 1e-6 };
  const state = statesOf(inputs, layers, valueHeads * d * d);
  return {
    name: `deltaNet ${keyHeads} and ${valueHeads} heads of ${d}, ${model}`,
    layers,
    flops: 6 * valueHeads * d * d,
    run: (layer, n) => recurrentOf(inputs).deltaNet(y, x, alpha, beta, state(layer), n, shape),
  };
}

function mamba2(
  inputs: Inputs,
  model: string,
  heads: number,
  P: number,
  stateSize: number,
  layers: number,
): Work {
  const [x, y] = [inputs.tensor(T, heads * P + 2 * stateSize), inputs.empty(T, heads * P)];
  const [dt, a, d, dtBias] = [
    inputs.tensor(T, heads),
    ratesOf(inputs, heads),
    inputs.vector(heads),
    inputs.vector(heads),
  ];
  const shape = { heads, groups: 1, stateSize, a, d, dtBias };
  const state = statesOf(inputs, layers, heads * P * stateSize);
  return {
    name: `mamba2 ${heads} heads of ${P} x ${stateSize}, ${model}`,
    layers,
    flops: 4 * heads * P * stateSize,
    run: (layer, n) => recurrentOf(inputs).mamba2(y, x, dt, state(layer), n, shape),
  };
}

/** A delta net between its products, weights of Q4_K: what a layer of Qwen3.5-0.8B does. */
function layer(inputs: Inputs, layers: number): Work {
  const [D, heads, d, K] = [1024, 16, 128, 4];
  const inner = heads * d;
  const type = weightTypes.find(({ name }) => name === 'q4_k')!;
  const weight = (rows: number, columns: number) => inputs.weight(type, rows, columns);
  const weights = Array.from(
    { length: layers },
    () => [weight(3 * inner, D), weight(inner, D), weight(D, inner)] as const,
  );
  const small = [weight(heads, D), weight(heads, D)] as const;
  const [h, gate, y] = [inputs.tensor(T, D), inputs.empty(T, inner), inputs.empty(T, inner)];
  const [qkv, x] = [inputs.empty(T, 3 * inner), inputs.empty(T, 3 * inner)];
  const [alpha, beta] = [inputs.empty(T, heads), inputs.empty(T, heads)];
  const [taps, w] = [inputs.tensor(3 * inner, K), inputs.vector(d)];
  const [a, dtBias] = [ratesOf(inputs, heads), inputs.vector(heads)];
  const shape = { keyHeads: heads, valueHeads: heads, headDim: d, a, dtBias, eps: 1e-6 };
  const before = statesOf(inputs, layers, (K - 1) * 3 * inner);
  const state = statesOf(inputs, layers, inner * d);
  const { backend } = inputs;
  return {
    name: `all of a delta net's layer, Qwen3.5-0.8B in Q4_K`,
    layers,
    run(i, n) {
      const r = recurrentOf(inputs);
      const [inward, gates, out] = weights[i];
      backend.linear(
        [
          [qkv, inward],
          [gate, gates],
          [alpha, small[0]],
          [beta, small[1]],
        ],
        h,
        n,
      );
      r.convolve(x, qkv, taps, before(i), n, { silu: true });
      r.deltaNet(y, x, alpha, beta, state(i), n, shape);
      r.gatedNorm(y, y, gate, w, n, { eps: 1e-6, groups: heads, order: 'norm' });
      backend.linear([[h, out]], y, n);
    },
  };
}

export const recurrent: BenchGroup = {
  name: 'recurrent',
  summary: `layers with a state, blocks of ${T} tokens over one token alone`,
  async run(report) {
    const backend = createWasmBackend({ threads: 1 });
    backend.reserveScratch({
      tokens: T,
      queryHeads: 1,
      kvHeads: 1,
      headDim: 128,
      width: 2048,
      recurrentKeys: 128,
    });
    const tile = tileWork();
    const works = [
      (inputs: Inputs) => deltaNet(inputs, 'Qwen3.5-0.8B', [16, 16], 128, 18),
      (inputs: Inputs) => layer(inputs, 18),
      (inputs: Inputs) => convolution(inputs, 'Qwen3.5-0.8B', 6144, 4, 18),
      (inputs: Inputs) => convolution(inputs, 'LFM2-1.2B', 2048, 3, 10),
      (inputs: Inputs) => mamba2(inputs, 'Granite-4.0-H', 48, 64, 128, 36),
    ];
    for (const make of works) {
      const inputs = new Inputs(backend, 1);
      const { name, layers, flops, run } = make(inputs);
      let next = 0;
      const step = (count: number) => () => run(next++ % layers, count);
      const [block, one, tileMs] = await sideBySide([step(T), step(1), tile.run]);
      const rate = (T / block) * 1e3;
      const alone = (1 / one) * 1e3;
      const share = flops && (flops * T) / block / (tile.amount / tileMs);
      report({
        name,
        rate,
        unit: 'tokens/s',
        ...(share && { share, limit: 'f32 register tile' }),
        note: `a layer; ${(rate / alone).toFixed(1)} times one token's ${alone.toFixed(0)}`,
      });
      inputs.dispose();
    }
    backend.dispose();
  },
};
