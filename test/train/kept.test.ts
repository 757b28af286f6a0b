// What a training goes on from, beside what else happens to a model meanwhile.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadModel, type Model } from '../../src/engine/model.ts';
import { DeviceError, OptionError, StoreError } from '../../src/errors.ts';
import { mergeAdapters } from '../../src/model/adapter/merge.ts';
import type { TrainOptions } from '../../src/train/options.ts';
import { train } from '../../src/train/train.ts';
import { fixture } from '../fixtures.ts';

const test = suite<{ folder: string; checkpoint: string }>('train/kept');
test.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'kept-'));
});
test.before.each((context) => {
  context.checkpoint = join(context.folder, 'training.state');
  rmSync(context.checkpoint, { force: true });
});
test.after(({ folder }) => rmSync(folder, { recursive: true }));

const lines = Array.from({ length: 6 }, (_, i) => ({ text: `the cat sat on ${i} mats, he said` }));
const how: TrainOptions = { rank: 2, batch: 2, steps: 3, heldOut: 0.2 };
const llama = () => loadModel(fixture('llama-f32.gguf'), { threads: 1 });

/** What a training rejects with: as a promise, whatever is wrong. */
const failure = (work: () => Promise<unknown>): Promise<Error> =>
  work().then(
    () => Promise.reject(new Error('it went on')),
    (error: Error) => error,
  );

/** Does something once a step is done. */
const after = (step: number, what: () => void): TrainOptions => ({
  onProgress: (report) => {
    if (report.step === step) what();
  },
});

test('defaults and the same said by hand go on with each other', async ({ checkpoint }) => {
  using model = await llama();
  const first = await train(model, lines, { ...how, checkpoint });
  const said = { ...how, checkpoint, alpha: 4, rate: 0.002, warmup: 0 };
  assert.equal((await train(model, lines, said)).adapter, first.adapter);
  const other = await failure(() => train(model, lines, { ...how, checkpoint, rate: 0.01 }));
  assert.instance(other, OptionError);
  assert.match(other.message, /whose rate is 0\.002, this one's is 0\.01/);
});

test('a model with other layers is another model', async ({ checkpoint }) => {
  using model = await llama();
  await train(model, lines, { ...how, checkpoint });
  const pieces: Uint8Array[] = [];
  await mergeAdapters(fixture('llama-f32.gguf'), {
    adapters: [{ source: fixture('adapters/llama-f32-r4.gguf') }],
    type: 'same',
    write: async (piece) => void pieces.push(piece.slice()),
  });
  using merged = await loadModel(Buffer.concat(pieces), { threads: 1 });
  const error = await failure(() => train(merged, lines, { ...how, checkpoint }));
  assert.instance(error, OptionError);
  assert.match(error.message, /whose checksum of the model/);
});

test('a flipped bit anywhere is damage, and a folder is no file', async ({
  checkpoint,
  folder,
}) => {
  using model = await llama();
  await train(model, lines, { ...how, checkpoint });
  const whole = readFileSync(checkpoint);
  const rank = whole.indexOf('"rank":"2"') + 8;
  for (const at of [3, rank, whole.length >> 1, whole.length - 1]) {
    const flipped = Buffer.from(whole);
    flipped[at] ^= 1;
    writeFileSync(checkpoint, flipped);
    assert.instance(await failure(() => train(model, lines, { ...how, checkpoint })), StoreError);
  }
  for (const length of [0, 10, 1001, whole.length - 4]) {
    writeFileSync(checkpoint, whole.subarray(0, length));
    assert.instance(await failure(() => train(model, lines, { ...how, checkpoint })), StoreError);
  }
  const error = await failure(() => train(model, lines, { ...how, checkpoint: folder }));
  assert.instance(error, StoreError);
  assert.match(error.message, /cannot be read \(EISDIR.*choose another place/);
});

test('a model that is disposed of ends its training', async () => {
  const during = async (end: (model: Model) => TrainOptions) => {
    const model = await llama();
    const error = await failure(() => train(model, lines, { ...how, ...end(model) }));
    assert.instance(error, DeviceError);
    assert.match(error.message, /the model was disposed of: load it again/);
  };
  await during((model) => after(1, () => model.dispose()));
  await during((model) => after(3, () => model.dispose()));
  await during((model) => {
    model.dispose();
    return {};
  });
});

test('who trains all weights is alone, adapters are not', async () => {
  using model = await loadModel(fixture('llama-f32.gguf'), { threads: 1, weights: 'f32' });
  const before = model.backend.arena.usedBytes;
  const alone = await train(model, lines, how);
  const [a, b, full] = await Promise.allSettled([
    train(model, lines, how),
    train(model, lines, how),
    train(model, lines, { ...how, method: 'full' }),
  ]);
  for (const one of [a, b]) {
    assert.is(one.status, 'fulfilled');
    if (one.status === 'fulfilled') assert.equal(one.value.adapter, alone.adapter);
  }
  assert.is(full.status, 'rejected');
  const [all, late] = await Promise.allSettled([
    train(model, lines, { ...how, method: 'full' }),
    train(model, lines, how),
  ]);
  assert.is(all.status, 'fulfilled');
  assert.match(late.status === 'rejected' ? late.reason.message : '', /are being trained: wait/);
  assert.is(model.backend.arena.usedBytes, before);
});

test('what is no list is told', async () => {
  using model = await llama();
  for (const [data, options, pattern] of [
    ['text', {}, /data is 'text', expected a list of \{ text \}/],
    [undefined, {}, /data is undefined, expected a list/],
    [lines, { targets: 'q' }, /targets is 'q', expected a list: q, k/],
  ] as const) {
    const error = await failure(() => train(model, data as never, options as never));
    assert.instance(error, OptionError);
    assert.match(error.message, pattern);
  }
});
test.run();
