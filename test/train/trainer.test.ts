// A training of some steps, beside one in f64 that shares nothing with it.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LocalExecutor } from '../../src/engine/executor.ts';
import { loadModel, type Model } from '../../src/engine/model.ts';
import { namedTensors } from '../../src/model/weights.ts';
import { type Example, examplesOf, packed } from '../../src/train/batches.ts';
import { createLora, loraBytes } from '../../src/train/lora.ts';
import { parameterBytes, Parameters } from '../../src/train/parameters.ts';
import { planTraining } from '../../src/train/plan.ts';
import { Trainer, type TrainerOptions } from '../../src/train/trainer.ts';
import { fixture } from '../fixtures.ts';
import { type F64Model, f64Loss, type LowRank, readF64 } from './f64-model.ts';
import { Matrix } from './tape.ts';

const test = suite('train/trainer');

const STEPS = 20;
const options: TrainerOptions = {
  rate: 0.003,
  schedule: 'cosine',
  warmup: 3,
  steps: STEPS,
  batch: 3,
  decay: 0.01,
  clip: 0.5,
  seed: 7,
};

/** Texts of different lengths that have something in common. */
const examples: readonly Example[] = Array.from({ length: 8 }, (_, i) => {
  const tokens = Array.from({ length: 5 + ((i * 3) % 9) }, (__, t) => 20 + ((t * 7 + i) % 40));
  return { tokens, isLearned: tokens.map((__, t) => t > 0 && (t + i) % 4 > 0), line: i + 1 };
});

const transformerOf = (model: Model) => (model.executor as LocalExecutor).transformer;

/** AdamW in f64, as the paper has it, on matrices of a tape. */
class F64AdamW {
  readonly #state = new Map<Matrix, { m: Float64Array; v: Float64Array }>();

  step(parameters: readonly (readonly [Matrix, decays: boolean])[], t: number): void {
    const { warmup, rate: highest, steps, clip, decay } = options;
    const norm = Math.sqrt(
      parameters.reduce((sum, [p]) => sum + p.gradient.reduce((s, g) => s + g * g, 0), 0),
    );
    const rate =
      t <= warmup
        ? (highest * t) / warmup
        : (highest * (1 + Math.cos((Math.PI * (t - 1 - warmup)) / (steps - warmup)))) / 2;
    for (const [p, decays] of parameters) {
      const zeros = () => new Float64Array(p.data.length);
      const { m, v } = this.#state.get(p) ?? { m: zeros(), v: zeros() };
      this.#state.set(p, { m, v });
      p.data.forEach((w, i) => {
        const g = p.gradient[i] * Math.min(1, clip / norm);
        m[i] = 0.9 * m[i] + 0.1 * g;
        v[i] = 0.999 * v[i] + 0.001 * g * g;
        const mean = m[i] / (1 - 0.9 ** t);
        const spread = Math.sqrt(v[i] / (1 - 0.999 ** t));
        p.data[i] = w - rate * (mean / (spread + 1e-8) + (decays ? decay * w : 0));
      });
      p.gradient.fill(0);
    }
  }
}

/** Losses of each step in f64. */
function f64Curve(
  model: F64Model,
  parameters: readonly (readonly [Matrix, boolean])[],
  low?: LowRank,
): number[] {
  const optimizer = new F64AdamW();
  return Array.from({ length: STEPS }, (_, step) => {
    const chosen = examplesOf(examples, step, options.batch, options.seed);
    const targets = chosen.flatMap(({ isLearned }) => isLearned.filter(Boolean)).length;
    let loss = 0;
    for (const example of chosen)
      for (const batch of packed([example], 1000)) loss += f64Loss(model, batch, 1 / targets, low);
    optimizer.step(parameters, step + 1);
    for (const [, m] of model.tensors) m.gradient.fill(0);
    return loss;
  });
}

async function curveOf(trainer: Trainer): Promise<number[]> {
  const losses: number[] = [];
  for (let step = 0; step < STEPS; step++) losses.push((await trainer.next(examples)).loss);
  return losses;
}

const wish = (model: Model, parameterBytes: number, rank: number) => {
  const { backend, config, weights } = transformerOf(model);
  return {
    config,
    range: weights,
    backend,
    parameterBytes,
    rank,
    longest: 14,
    longestLine: 1,
    stepTokens: 40,
    memory: 1 << 30,
  };
};

function assertCurves(ours: readonly number[], expected: readonly number[]): void {
  ours.forEach((loss, i) => {
    assert.ok(
      Math.abs(loss / expected[i] - 1) < 0.001,
      `step ${i + 1}: ${loss}, not ${expected[i]}`,
    );
  });
  assert.ok(ours[STEPS - 1] < 0.9 * ours[0], `it learns: ${ours[0]} to ${ours[STEPS - 1]}`);
}

for (const backend of ['reference', 'wasm'] as const) {
  test(`an adapter of qwen3 learns as in f64, on ${backend}`, async () => {
    const path = fixture('qwen3-f32.gguf');
    using model = await loadModel(path, { device: backend, threads: 1 });
    const network = transformerOf(model);
    const shape = {
      rank: 3,
      alpha: 6,
      targets: ['q', 'k', 'v', 'o', 'gate', 'up', 'down'],
    } as const;
    const before = network.backend.arena.usedBytes;
    const lora = createLora(network, shape, 5);
    const f64 = await readF64(path);
    const low = new Map<string, { a: Matrix; b: Matrix; scale: number }>();
    const parameters = new Parameters(network.backend, network.backend.training!, lora.parameters);
    for (const [matrix, { a, b }] of lora.pairs) {
      const read = async (name: string) =>
        parameters.read(parameters.all.find((p) => p.name === `${matrix}.${name}`)!);
      low.set(matrix, {
        a: new Matrix(a.rows, a.columns, await read('lora_a')),
        b: new Matrix(b.rows, b.columns),
        scale: 2,
      });
    }
    const bytes =
      loraBytes(network.backend, network.config, network.weights, shape) +
      parameterBytes(network.backend, lora.parameters);
    const plan = planTraining(wish(model, bytes, shape.rank));
    const trainer = new Trainer(lora.network, parameters, plan, options);
    const used = network.backend.arena.usedBytes - before;
    assert.ok(used <= plan.totalBytes + 4 * 64, `${used} bytes, ${plan.totalBytes} were promised`);
    const expected = f64Curve(
      f64,
      [...low.values()].flatMap(({ a, b }) => [[a, true] as const, [b, true] as const]),
      low,
    );
    assertCurves(await curveOf(trainer), expected);
    trainer.dispose();
    lora.free();
    assert.is(network.backend.arena.usedBytes, before);
  });

  test(`all weights of llama learn as in f64, on ${backend}`, async () => {
    const path = fixture('llama-untied-f32.gguf');
    using model = await loadModel(path, { device: backend, weights: 'f32', threads: 1 });
    const network = transformerOf(model);
    const f64 = await readF64(path);
    const all = namedTensors(network.weights).map((tensor) => ({
      ...tensor,
      decays: 'type' in tensor.at,
    }));
    const parameters = new Parameters(network.backend, network.backend.training!, all);
    const plan = planTraining(wish(model, parameterBytes(network.backend, all), 0));
    const trainer = new Trainer(network, parameters, plan, options);
    const expected = f64Curve(
      f64,
      all.map(({ name, decays }) => [f64.tensors.get(name)!, decays] as const),
    );
    assertCurves(await curveOf(trainer), expected);
    trainer.dispose();
  });
}

test.run();
