// Whole training steps: of a small transformer beside other engines, and of the bundled model
// beside its own forward pass.
import type { LocalExecutor } from '../src/engine/executor.ts';
import { loadModel, type LoadOptions } from '../src/engine/model.ts';
import { LearningPass } from '../src/model/learning.ts';
import { createLearningRoom } from '../src/model/learning-room.ts';
import { namedTensors } from '../src/model/weights.ts';
import { createLora } from '../src/train/lora.ts';
import { Parameters } from '../src/train/parameters.ts';
import { bundled } from '../test/fixtures.ts';
import type { BenchGroup, Measurement } from './case.ts';
import { tileWork } from './limit.ts';
import { SMALL, SMALL_TOKENS, smallTokens, trainingPeers } from './peers/training.ts';
import { smallRandomModel } from './random-model.ts';

const ROUNDS = 12;
const TARGETS = ['q', 'k', 'v', 'o', 'gate', 'up', 'down'] as const;
const ADAMW = { rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0 };

interface Work {
  /** The loss alone. */
  forward(): Promise<unknown>;
  /** Forward, back, and the optimiser. */
  step(): Promise<unknown>;
  dispose(): void;
}

/** A model and one text that it learns, an adapter or all of it. */
async function workOf(
  input: string | Uint8Array<ArrayBuffer>,
  tokens: readonly number[],
  options: LoadOptions,
): Promise<Work> {
  const model = await loadModel(input, options);
  const base = (model.executor as LocalExecutor).transformer;
  const { backend, config, weights } = base;
  const training = backend.training!;
  const count = tokens.length - 1;
  const isFull = options.weights === 'f32';
  const lora = isFull ? undefined : createLora(base, { rank: 8, alpha: 16, targets: TARGETS }, 1);
  const parameters = new Parameters(
    backend,
    training,
    lora?.parameters ?? namedTensors(weights).map((tensor) => ({ ...tensor, decays: false })),
  );
  const shape = {
    tokens: count,
    keptLayers: config.layers,
    headTokens: count,
    rank: isFull ? 0 : 8,
  };
  const room = createLearningRoom(config, weights, backend, shape);
  const pass = new LearningPass(lora?.network ?? base, room, parameters.gradientOf);
  const sequences = [{ from: 0, count }];
  const forward = () => pass.forward(tokens.slice(0, count), sequences);
  let steps = 0;
  return {
    forward() {
      forward();
      return pass.losses(tokens.slice(1));
    },
    async step() {
      forward();
      await pass.losses(tokens.slice(1), 1 / count);
      pass.backward();
      await parameters.gradientNorm();
      parameters.step({ ...ADAMW, step: ++steps, gradientScale: 1 });
    },
    dispose: () => model.dispose(),
  };
}

/** Tokens a second of each, in turn, the best of some rounds. */
async function ratesOf(
  works: readonly (() => Promise<unknown> | unknown)[],
  tokens: number,
): Promise<number[]> {
  const best = works.map(() => Number.POSITIVE_INFINITY);
  for (let round = -2; round < ROUNDS; round++)
    for (const [i, work] of works.entries()) {
      const from = performance.now();
      await work();
      if (round >= 0) best[i] = Math.min(best[i], performance.now() - from);
    }
  return best.map((ms) => (tokens / ms) * 1000);
}

/** Multiply-adds twice, a token: products three times, attention of half the tokens on average. */
function stepFlops(): number {
  const { layers, width: D, feedForward: F, vocabulary: V } = SMALL;
  const products = layers * (4 * D * D + 3 * D * F) + V * D;
  // scores and values forward; five products of the same size back
  const attention = layers * (SMALL_TOKENS / 2) * D * 7;
  return 2 * (3 * products + attention);
}

async function beside(): Promise<Measurement[]> {
  const peers = await trainingPeers();
  const own = await workOf(smallRandomModel(SMALL), smallTokens, { weights: 'f32', threads: 1 });
  const tile = tileWork();
  const works = [own, ...peers].flatMap(({ forward, step }) => [forward, step]);
  const rates = await ratesOf([...works, tile.run], SMALL_TOKENS);
  own.dispose();
  const gflops = (tile.amount / (SMALL_TOKENS / rates[rates.length - 1]) / 1e9) as number;
  const line = (name: string, at: number): Measurement => ({
    name: `${name}, 2 layers of 128, 256 tokens`,
    rate: rates[at],
    unit: 'tokens/s',
    ...(at === 1 && {
      share: (rates[1] * stepFlops()) / 1e9 / gflops,
      limit: 'register tile',
    }),
    peers: peers.map((peer, i) => ({ name: peer.name, rate: rates[2 * (i + 1) + at] })),
  });
  return [line('loss', 0), line('training step, all weights', 1)];
}

async function bundledModel(): Promise<Measurement[]> {
  const tokens = Array.from({ length: 513 }, (_, i) => (i * 7919) % 2048);
  const path = bundled('recollect-tiny.gguf');
  const settings = ([1, 2] as const).flatMap((threads) =>
    (['stored', 'f32'] as const).map((weights) => ({ threads, weights })),
  );
  const works: Work[] = [];
  for (const setting of settings) works.push(await workOf(path, tokens, setting));
  const rates = await ratesOf(
    works.flatMap(({ forward, step }) => [forward, step]),
    512,
  );
  for (const work of works) work.dispose();
  return settings.map(({ threads, weights }, i): Measurement => {
    const alone = rates[2 * settings.findIndex((s) => s.weights === weights) + 1];
    const times = threads > 1 ? `; ${(rates[2 * i + 1] / alone).toFixed(2)} x one thread` : '';
    return {
      name:
        `bundled model, ${weights === 'f32' ? 'all weights' : 'adapter of rank 8'}, ` +
        `${threads} thread${threads > 1 ? 's' : ''}`,
      rate: rates[2 * i + 1],
      unit: 'tokens/s',
      peers: [{ name: 'its forward pass', rate: rates[2 * i] }],
      note: `512 tokens${times}`,
    };
  });
}

export const train: BenchGroup = {
  name: 'train',
  summary: 'training steps (forward, back, AdamW), best of 12, all sides in turn',
  async run(report) {
    for (const one of [...(await beside()), ...(await bundledModel())]) report(one);
  },
};
