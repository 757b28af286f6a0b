// Gradients of products beside the forward products of the same shapes, one thread, and what else a
// training step does (training-dense.ts).
import { createWasmBackend } from '../src/backend/wasm/backend.ts';
import { type WeightName, weightTypes } from '../src/backend/dtype.ts';
import { CpuBench as Inputs } from '../test/cases/cpu-bench.ts';
import type { BenchGroup, Measurement } from './case.ts';
import { bestOf, tileWork } from './limit.ts';
import { measureDense } from './training-dense.ts';

/** Tokens of a batch. */
const N = 256;
const ROUNDS = 20;

/** Rows and columns of the weights of a model, and what type they have. */
interface Shapes {
  readonly model: string;
  readonly type: WeightName;
  readonly weights: readonly (readonly [rows: number, columns: number])[];
}

const shapes: readonly Shapes[] = [
  {
    model: 'two layers of 128, f32',
    type: 'f32',
    weights: [
      [128, 128],
      [384, 128],
      [128, 384],
      [512, 128],
    ],
  },
  {
    model: 'bundled model',
    type: 'q8_0',
    weights: [
      [256, 128],
      [384, 128],
      [128, 384],
      [2048, 128],
    ],
  },
  {
    model: '135M model',
    type: 'q8_0',
    weights: [
      [576, 576],
      [1536, 576],
      [576, 1536],
    ],
  },
  { model: '135M model', type: 'q4_k', weights: [[576, 1536]] },
  {
    model: 'adapter of rank 8',
    type: 'f32',
    weights: [
      [8, 576],
      [1536, 8],
    ],
  },
];

export const training: BenchGroup = {
  name: 'training',
  summary: `gradients of products and attention, ${N} tokens, and the optimiser, one thread`,
  async run(report) {
    for (const { model, type, weights } of shapes)
      for (const [m, k] of weights) for (const one of measure(model, type, m, k)) report(one);
    for (const one of measureDense()) report(one);
  },
};

function measure(model: string, name: WeightName, m: number, k: number): Measurement[] {
  const backend = createWasmBackend({ threads: 1 });
  backend.reserveScratch({
    tokens: N,
    queryHeads: 1,
    kvHeads: 1,
    headDim: 64,
    width: k,
    training: true,
  });
  const inputs = new Inputs(backend, 1);
  const typeOf = (wanted: string) => weightTypes.find((type) => type.name === wanted)!;
  const [w, plain] = [name, 'f32'].map((wanted) => inputs.weight(typeOf(wanted), m, k));
  const [x, y, dx, dy] = [k, m, k, m].map((columns) => inputs.tensor(N, columns));
  const dw = inputs.weight(typeOf('f32'), m, k);
  const tile = tileWork();
  const times = bestOf(
    [
      () => backend.linear([[y, w]], x, N),
      () => backend.linear([[y, plain]], x, N),
      () => inputs.training.linearGradient(dx, [[dy, w]], N),
      () => inputs.training.weightGradient(dw, dy, x, N),
      tile.run,
    ],
    ROUNDS,
  );
  backend.dispose();
  const amount = 2 * N * m * k;
  const [forward, forwardPlain, ofInput, ofWeight] = times.map((ms) => amount / ms / 1e6);
  const limit = tile.amount / times[4] / 1e6;
  const line = (what: string, type: string, rate: number, beside: number): Measurement => ({
    name: `${what} ${type} ${N}x${m}x${k}`,
    rate,
    unit: 'GFLOP/s',
    share: rate / limit,
    limit: 'register tile',
    peers: [{ name: `forward ${type}`, rate: beside }],
    note: model,
  });
  return [line('dx', name, ofInput, forward), line('dW', 'f32', ofWeight, forwardPlain)];
}
