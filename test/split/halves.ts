// Trainings in one piece and in two halves of one process, for tests to compare.
import * as assert from 'uvu/assert';
import { loadModel } from '../../src/engine/model.ts';
import { type Ask, type ClientOptions, SplitTrainer } from '../../src/split/client.ts';
import type { CodecOptions } from '../../src/split/codec/options.ts';
import { Rooms, shapeOf } from '../../src/split/half.ts';
import { type Cut, loadHalf } from '../../src/split/load.ts';
import { decode, encode, type Message } from '../../src/split/messages.ts';
import { ServerHalf } from '../../src/split/server-half.ts';
import type { Example } from '../../src/train/batches.ts';
import { loraSetup, networkOf } from '../../src/train/setup.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { headTokensOf } from '../../src/train/plan.ts';

/** Texts of different lengths that have something in common. */
export const examples: readonly Example[] = Array.from({ length: 9 }, (_, i) => {
  const tokens = Array.from({ length: 5 + ((i * 3) % 9) }, (__, t) => 20 + ((t * 7 + i) % 40));
  return { tokens, isLearned: tokens.map((__, t) => t > 0 && (t + i) % 4 > 0), line: i + 1 };
});

export const optionsOf = (
  steps: number,
  depth = 1,
  codec: CodecOptions = { codec: 'none' },
): ClientOptions => ({
  codec,
  rate: 0.01,
  schedule: 'cosine',
  warmup: 1,
  steps,
  batch: 5,
  decay: 0.01,
  clip: 0.5,
  seed: 7,
  tokens: 16, // several batches a step
  depth,
  shape: { rank: 3, alpha: 6, targets: ['q', 'k', 'v', 'o', 'gate', 'up', 'down'] },
});

/** What a training gives: losses, norms, the loss of other lines, and all adapters. */
export interface Outcome {
  readonly losses: number[];
  readonly norms: number[];
  readonly measured: number;
  readonly adapters: Map<string, Float32Array>;
}

export async function trainWhole(path: string, options: ClientOptions): Promise<Outcome> {
  using model = await loadModel(path, { threads: 1, pipeline: 1 });
  const network = networkOf(model);
  const { shape, seed, tokens, steps } = options;
  const { network: adapted, parameters, free } = loraSetup(network, shape, seed).create();
  const keptLayers = model.config.layers;
  const headTokens = headTokensOf(model.config, tokens);
  const room = { tokens, keptLayers, headTokens, rank: shape.rank };
  const bytes = { parameterBytes: 0, activationBytes: 0, totalBytes: 0 };
  const trainer = new Trainer(adapted, parameters, { ...room, ...bytes }, options);
  const outcome = await runSteps(trainer, steps);
  const adapters = new Map<string, Float32Array>();
  for (const one of parameters.all) adapters.set(one.name, await parameters.read(one));
  trainer.dispose();
  free();
  return { ...outcome, adapters };
}

/** Steps of a training, and the loss of some lines behind them. */
export async function runSteps(
  trainer: Pick<Trainer, 'next' | 'lossOf'>,
  steps: number,
): Promise<Omit<Outcome, 'adapters'>> {
  const [losses, norms]: number[][] = [[], []];
  const learned = examples.slice(1);
  for (let step = 0; step < steps; step++) {
    const { loss, gradientNorm } = await trainer.next(learned);
    losses.push(loss);
    norms.push(gradientNorm);
  }
  return { losses, norms, measured: await trainer.lossOf(examples.slice(0, 1)) };
}

/** A server's half in this process, asked in bytes as over a network. */
export async function localServer(path: string, cut: Cut, options: ClientOptions) {
  const model = await loadHalf(path, 'server', cut, { threads: 1 });
  const { tokens, shape, depth: window, seed, codec } = options;
  const hasHead = model.head !== undefined;
  const rooms = new Rooms(model.network, shapeOf(model.network, tokens, shape.rank, hasHead));
  const how = { shape, seed, tokens, window, hasHead, codec };
  const half = new ServerHalf(model.network, rooms, how);
  let turn: Promise<unknown> = Promise.resolve();
  const ask: Ask = (message: Message) => {
    const answer = turn.then(async () => {
      const answered = await half.answer(decode(encode(message)));
      return decode(encode(answered));
    });
    turn = answer.catch(() => undefined);
    return answer;
  };
  return { model, half, ask, rooms };
}

/** Both halves in this process; `through` may change what is asked and answered. */
export async function openSplit(
  path: string,
  cut: Cut,
  options: ClientOptions,
  through: (ask: Ask) => Ask = (ask) => ask,
) {
  const client = await loadHalf(path, 'client', cut, { threads: 1 });
  const server = await localServer(path, cut, options);
  const trainer = new SplitTrainer(client, { ask: through(server.ask) }, options);
  return {
    trainer,
    server,
    close() {
      trainer.dispose();
      server.half.dispose();
      server.rooms.dispose();
      client.dispose();
      server.model.dispose();
    },
  };
}

export async function trainSplit(path: string, cut: Cut, options: ClientOptions): Promise<Outcome> {
  const { trainer, close } = await openSplit(path, cut, options);
  const outcome = await runSteps(trainer, options.steps);
  const adapters = await trainer.adapters();
  await trainer.end();
  close();
  return { ...outcome, adapters };
}

export function assertSame(found: Outcome, expected: Outcome, what: string): void {
  assert.equal(found.losses, expected.losses, `${what}: losses`);
  assert.equal(found.norms, expected.norms, `${what}: norms`);
  assert.is(found.measured, expected.measured, `${what}: measured`);
  assert.equal([...found.adapters.keys()], [...expected.adapters.keys()], what);
  for (const [name, numbers] of found.adapters)
    assert.equal(numbers, expected.adapters.get(name), `${what}: ${name}`);
}
