// Attention of a batch both ways, and what training does number by number, on one thread.
import { createWasmBackend } from '../src/backend/wasm/backend.ts';
import { CpuBench as Inputs } from '../test/cases/cpu-bench.ts';
import type { Measurement } from './case.ts';
import { bestOf, readWork, tileWork } from './limit.ts';

const ROUNDS = 20;

/** Tokens of a sequence, and heads: of the bundled model, of 135M parameters, of a larger one. */
const heads = [
  { T: 256, queryHeads: 4, kvHeads: 4, headDim: 32 },
  { T: 256, queryHeads: 9, kvHeads: 3, headDim: 64 },
  { T: 1024, queryHeads: 8, kvHeads: 2, headDim: 128 },
] as const;

type Heads = (typeof heads)[number];

/** Both ways of attention: two products of queries and keys there, five on the way back. */
function measureAttention({ T, ...shape }: Heads): Measurement[] {
  const { queryHeads, kvHeads, headDim: d } = shape;
  const backend = createWasmBackend({ threads: 1 });
  backend.reserveScratch({ tokens: T, ...shape, width: queryHeads * d, training: true });
  const inputs = new Inputs(backend, 1);
  const queries = () => inputs.tensor(T, queryHeads * d);
  const keys = () => inputs.tensor(T, kvHeads * d);
  const [of, gradients] = [0, 1].map(() => ({ q: queries(), k: keys(), v: keys() }));
  const [out, dout, sums, spare] = [
    queries(),
    queries(),
    inputs.empty(T, queryHeads),
    inputs.empty(T, queryHeads),
  ];
  const how = { ...shape, sequences: [{ from: 0, count: T }] };
  const { training } = inputs;
  const tile = tileWork();
  const [there, back, tileMs] = bestOf(
    [
      () => training.denseAttention(out, sums, of, how),
      () => training.denseAttentionGradient(gradients, dout, out, sums, spare, of, how),
      tile.run,
    ],
    ROUNDS,
  );
  backend.dispose();
  const product = d * queryHeads * T * (T + 1);
  const [forward, backward] = [(2 * product) / there / 1e6, (5 * product) / back / 1e6];
  const line = (name: string, rate: number): Measurement => ({
    name: `${name}, ${T} tokens, ${queryHeads} / ${kvHeads} heads of ${d}`,
    rate,
    unit: 'GFLOP/s',
    share: rate / (tile.amount / tileMs / 1e6),
    limit: 'register tile',
  });
  const beside = [{ name: 'forward', rate: forward }];
  return [
    line('attention of a batch', forward),
    { ...line('its gradient', backward), peers: beside },
  ];
}

const [T, D, F, V] = [256, 576, 1536, 49152];
const ODDS = 8;

/** Name, what is read and written at least, and the work. */
type Step = readonly [name: string, bytes: number, run: () => unknown];

/** What the 135M model needs beside products and attention. */
function stepsOf(inputs: Inputs): Step[] {
  const { backend, training } = inputs;
  const [x, dy, dx] = [0, 1, 2].map(() => inputs.tensor(T, D));
  const [w, dw] = [inputs.tensor(1, D), inputs.tensor(1, D)];
  const [gate, up, dgated, dgate, dup] = Array.from({ length: 5 }, () => inputs.tensor(T, F));
  const angles = { address: inputs.tensor(T, 64).address, rotated: 64, style: 'halves' as const };
  const odds = inputs.tensor(ODDS, V);
  const [losses, targets] = [inputs.room(ODDS * 4), inputs.room(ODDS * 4)];
  backend.ints(targets, ODDS).fill(V >> 1);
  const weights = T * F;
  const rates = { rate: 1e-9, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.1 };
  const how = { ...rates, step: 3, gradientScale: 1 };
  const [weight, gradient, mean, square] = Array.from({ length: 4 }, () => {
    const { address } = inputs.empty(T, F);
    backend.floats(address, weights).fill(1);
    return address;
  });
  return [
    [
      'rmsNorm, gradients',
      T * D * 16,
      () => training.rmsNormGradient(dx, dy, x, w, T, 1e-5, { dw, add: true }),
    ],
    [
      'swiglu, gradients',
      T * F * 20,
      () => training.swigluGradient(dgate, dup, dgated, gate, up, T),
    ],
    ['geglu, gradients', T * F * 20, () => training.gegluGradient(dgate, dup, dgated, gate, up, T)],
    ['rope, gradient', T * D * 8, () => training.ropeGradient(x, angles, T, D / 64, 64)],
    [
      `cross entropy, ${ODDS} x ${V}`,
      ODDS * V * 8,
      () => training.crossEntropy(losses, odds, targets, ODDS, 1),
    ],
    [
      `AdamW, ${weights} numbers`,
      weights * 32,
      () => training.adamW(weight, gradient, mean, square, weights, how),
    ],
    ['sum of squares', weights * 4, () => training.sumOfSquares(weight, weights)],
  ];
}

function measureSteps(): Measurement[] {
  const backend = createWasmBackend({ threads: 1 });
  const shape = { tokens: T, queryHeads: 9, kvHeads: 3, headDim: 64, width: F, training: true };
  backend.reserveScratch(shape);
  const steps = stepsOf(new Inputs(backend, 1));
  const read = readWork();
  const times = bestOf([...steps.map(([, , run]) => run), read.run], ROUNDS);
  backend.dispose();
  const limit = read.amount / times[steps.length] / 1e6;
  return steps.map(([name, bytes], i): Measurement => {
    const rate = bytes / times[i] / 1e6;
    return {
      name,
      rate,
      unit: 'GB/s',
      share: rate / limit,
      limit: 'memory read',
      note: `${times[i].toPrecision(3)} ms`,
    };
  });
}

/** A measurement at a time. */
export function* measureDense(): Generator<Measurement> {
  for (const shape of heads) yield* measureAttention(shape);
  yield* measureSteps();
}
