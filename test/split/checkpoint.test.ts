// Clients of split trainings that go on from a checkpoint, with the bits of an undisturbed training.
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OptionError, StoreError } from '../../src/errors.ts';
import type { SplitTrainOptions } from '../../src/split/options.ts';
import { assertSame, failureOf, serve, trainedSplit, trainedWhole } from './network.ts';

type How = Omit<SplitTrainOptions, 'url' | 'token'>;

/** A folder, and the path of a checkpoint in it. */
async function place() {
  const folder = await mkdtemp(join(tmpdir(), 'split-checkpoint-'));
  const remove = () => rm(folder, { recursive: true });
  return { path: join(folder, 'training'), [Symbol.asyncDispose]: remove };
}

/** Trains until a step, and stops there; `onStep` is called before. */
async function stoppedAt(last: number, url: string, labels: 'server' | 'client', how: How) {
  const ending = new AbortController();
  const onProgress: How['onProgress'] = ({ step, ...report }) => {
    how.onProgress?.({ step, ...report });
    if (step === last) ending.abort(new Error('stopped'));
  };
  const options = { ...how, onProgress, signal: ending.signal };
  const error = await failureOf(trainedSplit(url, { cut: 1, labels }, options));
  assert.is(error.message, 'stopped');
}

const whole = trainedWhole({ heldOut: 0.2 });

for (const [labels, behind] of [
  ['client', 0],
  ['server', 1],
] as const)
  test(`labels at the ${labels}, a client ${behind} steps behind its server goes on`, async () => {
    await using at = await place();
    const cut = { cut: 1, labels } as const;
    const server = await serve(cut);
    const how = { heldOut: 0.2, checkpoint: at.path };
    const copies: Promise<void>[] = [];
    const onProgress: How['onProgress'] = ({ step }) =>
      void (step === 3 && copies.push(copyFile(at.path, `${at.path}.3`)));
    try {
      await stoppedAt(3 + behind, server.url, labels, { ...how, onProgress });
      await Promise.all(copies);
      await copyFile(`${at.path}.3`, at.path);
      const steps: number[] = [];
      const noted = { ...how, onProgress: ({ step }: { step: number }) => void steps.push(step) };
      const result = await trainedSplit(server.url, cut, noted);
      assert.equal(steps, [4, 5, 6]);
      assertSame(result, await whole, 'gone on');
      // the server hears that its last answer came
      for (let i = 0; i < 100 && server.server.held.sessions > 0; i++) await sleep(20);
      assert.is(server.server.held.sessions, 0, 'the training is over');
    } finally {
      await server.close();
    }
    // all of it is in the checkpoint by now
    const again = await trainedSplit('ws://127.0.0.1:9', cut, how);
    assertSame(again, await whole, 'from the checkpoint alone');
  });

test('a checkpoint of steps that the server has not, or of another training, is refused', async () => {
  await using at = await place();
  const cut = { cut: 1, labels: 'server' } as const;
  const server = await serve(cut);
  const how = { checkpoint: at.path };
  let copied: Promise<void> | undefined;
  const onProgress: How['onProgress'] = () => void (copied ??= copyFile(at.path, `${at.path}.1`));
  try {
    await stoppedAt(4, server.url, 'server', { ...how, onProgress });
    await copied;
    const other = await failureOf(trainedSplit(server.url, cut, { ...how, rate: 0.02 }));
    assert.instance(other, OptionError);
    assert.match(other.message, /whose rate is 0\.01, this one's is 0\.02/);
    await copyFile(`${at.path}.1`, at.path);
    const old = await failureOf(trainedSplit(server.url, cut, how));
    assert.instance(old, StoreError);
    assert.match(old.message, /has made 1 steps .*the server has it at 4 and 3/);
  } finally {
    await server.close();
  }
});

test.run();
