// The training pass, held against an f64 tape that shares nothing with it (tape.ts).
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LocalExecutor } from '../../src/engine/executor.ts';
import { loadModel, type Model } from '../../src/engine/model.ts';
import { LearningPass } from '../../src/model/learning.ts';
import { createLearningRoom } from '../../src/model/learning-room.ts';
import { namedTensors } from '../../src/model/weights.ts';
import { createRandom } from '../../src/math/rng.ts';
import { targetNames } from '../../src/model/adapter/spec.ts';
import { createLora } from '../../src/train/lora.ts';
import { Parameters, writeNumbers } from '../../src/train/parameters.ts';
import { fixture } from '../fixtures.ts';
import { type F64Batch, f64Loss, readF64 } from './f64-model.ts';
import { Matrix } from './tape.ts';

const test = suite('train/learning');

/** Two sequences of a few tokens, some of which teach nothing. */
const batch: F64Batch = {
  tokens: [5, 17, 200, 33, 5, 90, 121, 7, 64, 65, 66, 250],
  targets: [17, -1, 33, 5, 90, 121, 7, 64, -1, 66, 250, 3],
  sequences: [
    { from: 0, count: 7 },
    { from: 7, count: 5 },
  ],
};
const SCALE = 1 / batch.targets.filter((t) => t >= 0).length;

const transformerOf = (model: Model) => (model.executor as LocalExecutor).transformer;

/** Loss and gradients of everything in a model, as our pass gives them. */
async function ours(model: Model, keptLayers: number, headTokens: number) {
  const network = transformerOf(model);
  const { backend, config, weights } = network;
  const shape = { tokens: 16, keptLayers, headTokens, rank: 0 };
  const room = createLearningRoom(config, weights, backend, shape);
  const parameters = new Parameters(
    backend,
    backend.training!,
    namedTensors(weights).map((tensor) => ({ ...tensor, decays: false })),
  );
  const pass = new LearningPass(network, room, parameters.gradientOf);
  pass.forward(batch.tokens, batch.sequences);
  const losses = await pass.losses(batch.targets, SCALE);
  pass.backward();
  const gradients = new Map<string, Float32Array>();
  for (const p of parameters.all) gradients.set(p.name, await parameters.readGradient(p));
  const norm = await parameters.gradientNorm();
  room.dispose();
  parameters.dispose();
  return { loss: losses.reduce((a, b) => a + b, 0) * SCALE, gradients, norm };
}

const norm2 = (numbers: ArrayLike<number>) =>
  Math.sqrt(Array.from(numbers).reduce((s, x) => s + x * x, 0));

const models = [
  'llama-f32',
  'llama-untied-f32',
  'llama3-ropefreqs-f32',
  'llama-linear-f32',
  'qwen2-f32',
  'qwen3-f32',
  'smollm3-f32',
  'gemma3-swa-f32',
];
for (const name of models)
  for (const backend of ['reference', 'wasm'] as const)
    test(`every gradient of ${name} on ${backend} is the tape's`, async () => {
      const path = fixture(`${name}.gguf`);
      using model = await loadModel(path, { device: backend, weights: 'f32', threads: 1 });
      const expected = await readF64(path);
      const loss = f64Loss(expected, batch, SCALE);
      const layers = transformerOf(model).weights.layers.length;
      const all = await ours(model, layers, 16);
      assert.ok(Math.abs(all.loss - loss) < 1e-5 * loss, `loss ${all.loss}, expected ${loss}`);
      let squares = 0;
      for (const [tensor, gradient] of all.gradients) {
        const want = expected.tensors.get(tensor)!.gradient;
        const off = gradient.map((x, i) => x - want[i]);
        squares += norm2(want) ** 2;
        assert.ok(
          norm2(off) < 1e-4 * norm2(want),
          `${tensor} is off by ${norm2(off)} of ${norm2(want)}`,
        );
      }
      assert.ok(Math.abs(all.norm / Math.sqrt(squares) - 1) < 1e-4);
      // activations that are computed again, and log-odds in pieces, change nothing
      for (const [kept, headTokens] of [
        [layers - 1, 3],
        [0, 5],
      ]) {
        const other = await ours(model, kept, headTokens);
        for (const [tensor, gradient] of all.gradients) {
          const off = other.gradients.get(tensor)!.map((x, i) => x - gradient[i]);
          assert.ok(norm2(off) <= 1e-6 * norm2(gradient), `${tensor}, ${kept} layers kept`);
        }
      }
    });

for (const name of ['llama-q8_0', 'llama-q4_k', 'llama-f16'])
  test(`gradients of an adapter of ${name} are the tape's, within what its weights round`, async () => {
    const path = fixture(`${name}.gguf`);
    using model = await loadModel(path, { threads: 1 });
    const base = transformerOf(model);
    const { backend, config } = base;
    const lora = createLora(base, { rank: 3, alpha: 6, targets: targetNames }, 5);
    const random = createRandom(3);
    const low = new Map<string, { a: Matrix; b: Matrix; scale: number }>();
    for (const [matrix, { a, b, scale }] of lora.pairs) {
      const [A, B] = [a, b].map(({ rows, columns }) =>
        Float32Array.from({ length: rows * columns }, () => (random() - 0.5) / 4),
      );
      writeNumbers(backend, a, A);
      writeNumbers(backend, b, B);
      const made = { a: new Matrix(a.rows, a.columns, A), b: new Matrix(b.rows, b.columns, B) };
      low.set(matrix, { ...made, scale });
    }
    const loss = f64Loss(await readF64(path), batch, SCALE, low);
    const parameters = new Parameters(backend, backend.training!, lora.parameters);
    const shape = { tokens: 16, keptLayers: 1, headTokens: 16, rank: 3 };
    const room = createLearningRoom(config, base.weights, backend, shape);
    const pass = new LearningPass(lora.network, room, parameters.gradientOf);
    pass.forward(batch.tokens, batch.sequences);
    const losses = await pass.losses(batch.targets, SCALE);
    pass.backward();
    assert.ok(Math.abs((losses.reduce((a, b) => a + b, 0) * SCALE) / loss - 1) < 1e-4);
    for (const p of parameters.all) {
      const [, matrix, side] = /^(.*)\.lora_(.)$/.exec(p.name)!;
      const want = low.get(matrix)![side as 'a' | 'b'].gradient;
      const off = (await parameters.readGradient(p)).map((x, i) => x - want[i]);
      assert.ok(norm2(off) < 1e-3 * norm2(want), `${p.name}: ${norm2(off) / norm2(want)}`);
    }
    room.dispose();
    parameters.dispose();
    lora.free();
  });

test.run();
