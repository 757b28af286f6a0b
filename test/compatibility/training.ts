// Adapters and training: what is added to a model is what merging it gives, what is learned from is
// what the model says, and over a cut the same.
import type { Example } from '../../src/train/batches.ts';
import { createRandom } from '../../src/math/rng.ts';
import { loadModel, type Model } from '../../src/engine/model.ts';
import { joined } from '../../src/math/joined.ts';
import { mergeAdapters } from '../../src/model/adapter/merge.ts';
import { placeOf } from '../../src/model/adapter/spec.ts';
import { type AdapterData, ggufAdapter } from '../../src/model/adapter/write.ts';
import { openModel } from '../../src/model/parts.ts';
import { readModelHeader } from '../../src/model/rewrite.ts';
import { readLines, settled, train } from '../../src/train/train.ts';
import { writeTrainedModel } from '../../src/train/model-file.ts';
import { greedy, localConversation, repliesOf, repliesWhole, shapeOf } from '../split/generate.ts';
import { assertSame, optionsOf, trainSplit, trainWhole } from '../split/halves.ts';
import { expect, expectNear } from './expect.ts';
import type { Feature } from './outcome.ts';
import { PLENTY, runOf, type Subject, withRun } from './subject.ts';

const RANK = 3;
const whole = { policy: 'full', budget: PLENTY, cacheType: 'f32' } as const;

/** Random pairs for every matrix of a model that adapters may change. */
async function adapterFor({ file, name }: Subject): Promise<AdapterData> {
  const source = await openModel(file, {});
  const { tensors } = await readModelHeader(source);
  await source.close();
  const random = createRandom(5);
  const numbers = (count: number) => Float32Array.from({ length: count }, () => random() - 0.5);
  const pairs = tensors
    .filter((tensor) => placeOf(tensor.name))
    .map(({ name: matrix, rows, columns }) => ({
      ...{ matrix, rank: RANK },
      a: numbers(RANK * columns),
      b: numbers(rows * RANK),
    }));
  return { name, alpha: 0.2, pairs };
}

async function expectAdapter(subject: Subject): Promise<void> {
  const model = await subject.model();
  const adapter = joined(ggufAdapter(await adapterFor(subject), model.config));
  const load = { device: 'wasm', threads: 1, pipeline: 1, weights: 'f32' } as const;
  using adapted = await loadModel(subject.file, { ...load, adapters: [{ source: adapter }] });
  const pieces: Uint8Array[] = [];
  await mergeAdapters(subject.file, {
    adapters: [{ source: adapter }],
    type: 'f32',
    write: async (bytes) => void pieces.push(bytes.slice()),
  });
  using merged = await loadModel(joined(pieces), load);
  const [a, b, plain] = await Promise.all(
    [adapted, merged, model].map((one) => runOf(one, subject.tokens, whole)),
  );
  expectNear(a.logits, b.logits, 1e-2, 'adapter and merged model');
  expect(
    a.logits.some((x, i) => Math.abs(x - plain.logits[i]) > 1e-2),
    'the adapter changes nothing',
  );
}

/** Mean loss a token of an example, by the forward pass that answers questions. */
const lossOf = (model: Model, { tokens, isLearned }: Example): Promise<number> =>
  withRun(model, whole, async (run) => {
    let [sum, count] = [0, 0];
    for (const [t, token] of tokens.slice(0, -1).entries()) {
      await run.append([token]);
      if (!isLearned[t + 1]) continue;
      const logits = await run.logits(0);
      const peak = logits.reduce((most, x) => Math.max(most, x));
      const norm = peak + Math.log(logits.reduce((all, x) => all + Math.exp(x - peak), 0));
      sum += norm - logits[tokens[t + 1]];
      count++;
    }
    return sum / count;
  });

/** Losses are those of the model before and after, and fall. */
async function expectTraining(subject: Subject, method: 'lora' | 'full'): Promise<void> {
  const load = { device: 'wasm', threads: 1, pipeline: 1 } as const;
  using model = await loadModel(subject.file, {
    ...load,
    weights: method === 'full' ? 'f32' : 'stored',
  });
  const lines = [{ text: subject.text.slice(0, 60) }];
  const options = { method, steps: 3, heldOut: 0, rank: RANK, rate: 0.003, warmup: 0 } as const;
  const [example] = readLines(model, lines, 'data', settled(options)).learned;
  const before = await lossOf(model, example);
  const { result, adapter, weights } = await train(model, lines, options);
  const [first] = result.losses;
  expect(Math.abs(first - before) < 2e-3, `it learned from a loss of ${first}, it is ${before}`);
  const source = adapter ? joined(ggufAdapter(adapter, model.config)) : undefined;
  const pieces: Uint8Array[] = [];
  if (weights)
    await writeTrainedModel(subject.file, weights, {
      type: 'f32',
      write: async (bytes) => void pieces.push(bytes.slice()),
    });
  using trained = await loadModel(weights ? joined(pieces) : subject.file, {
    ...load,
    ...(source && { adapters: [{ source }] }),
  });
  const after = await lossOf(trained, example);
  const last = result.losses[result.losses.length - 1];
  expect(after < last && last < first, `losses ${first}, ${last}, ${after}`);
}

async function expectSplitTraining({ file }: Subject): Promise<void> {
  const options = optionsOf(2);
  for (const labels of ['server', 'client'] as const) {
    const split = await trainSplit(file, { cut: 1, labels }, options);
    assertSame(split, await trainWhole(file, options), `labels at the ${labels}`);
  }
}

async function expectSplitAnswers({ file }: Subject): Promise<void> {
  const local = await localConversation(file, 1, shapeOf());
  try {
    const found = await repliesOf(local, greedy);
    const expected = await repliesWhole(file, greedy);
    expect(`${found}` === `${expected}`, `${found} over a cut, ${expected} in one piece`);
  } finally {
    local.dispose();
  }
}

export const trainingFeatures: readonly Feature[] = [
  {
    name: 'adapters',
    group: 'training',
    promise: 'a LoRA adapter on all matrices that may have one: what the merged model says',
    check: expectAdapter,
  },
  {
    name: 'training adapters',
    group: 'training',
    promise: 'from the loss that the model has, down, as the adapter loaded again has it',
    check: (subject) => expectTraining(subject, 'lora'),
  },
  {
    name: 'training all weights',
    group: 'training',
    promise: 'the same, all weights written to a file',
    check: (subject) => expectTraining(subject, 'full'),
  },
  {
    name: 'split training',
    group: 'training',
    promise: 'in two halves the same losses and adapters to the bit',
    check: expectSplitTraining,
  },
  {
    name: 'split answers',
    group: 'training',
    promise: 'in two halves the same tokens',
    check: expectSplitAnswers,
  },
];
