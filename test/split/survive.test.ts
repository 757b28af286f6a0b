// Trainings that outlive their servers: the state behind each step is in a store, and the client
// goes on with another server that has it, with the bits of a training that nothing disturbed.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { StoreError } from '../../src/errors.ts';
import type { Cut } from '../../src/split/load.ts';
import type { SplitTrainOptions } from '../../src/split/options.ts';
import { memorySplitStore } from '../../src/split/store/memory-store.ts';
import type { SplitStore } from '../../src/split/store/store.ts';
import {
  assertSame,
  failureOf,
  serve,
  spawnServer,
  trainedSplit,
  trainedWhole,
} from './network.ts';

const cut: Cut = { cut: 1, labels: 'server' };
/** Of the state behind the third step: the first one is of a training that begins. */
const THIRD = 4;

/** Trains at two servers with one store, of which the first is lost as it keeps the third step. */
async function trainedOver(
  onThird: 'kept' | 'not kept',
  where: Cut,
  more: Omit<SplitTrainOptions, 'url' | 'token'> = {},
  between: (store: SplitStore, id: string) => Promise<unknown> = async () => undefined,
) {
  const store = memorySplitStore();
  let puts = 0;
  const failing: SplitStore = {
    ...store,
    async put(id, version, bytes) {
      if (++puts < THIRD) return store.put(id, version, bytes);
      if (onThird === 'kept') await store.put(id, version, bytes);
      await between(store, id);
      first.server.dispose();
      throw new StoreError('the disk is gone');
    },
  };
  const first = await serve(where, { store: failing });
  const second = await serve(where, { store });
  try {
    return await trainedSplit(`${first.url},${second.url}`, where, more);
  } finally {
    await first.close();
    await second.close();
  }
}

const whole = trainedWhole();

for (const [labels, onThird] of [
  ['server', 'kept'],
  ['server', 'not kept'],
  ['client', 'not kept'],
] as const)
  test(`labels at the ${labels}, a step ${onThird} as a server is lost: the same bits`, async () => {
    const result = await trainedOver(onThird, { cut: 1, labels });
    assertSame(result, await whole, onThird);
    assert.ok(result.traffic.reconnects > 0, 'connected again');
  });

test('bits that are learned go on where a server is lost', async () => {
  const where = { cut: 1, labels: 'client' } as const;
  const learned = { codec: 'amaq', bits: 4, gateWarmup: 0, gateFreeze: 6 } as const;
  const server = await serve(where);
  const undisturbed = await trainedSplit(server.url, where, learned);
  await server.close();
  const result = await trainedOver('not kept', where, learned);
  assert.equal(result.losses, undisturbed.losses);
  assert.equal(result.course.bits, undisturbed.course.bits);
  assert.equal(result.adapter.pairs, undisturbed.adapter.pairs);
});

test('a state that is damaged, cut short or far too large is refused by name', async () => {
  const changes: [string, (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>, RegExp][] = [
    ['a bit', (bytes) => bytes.with(bytes.length >> 1, ~bytes[bytes.length >> 1]), /checksum/],
    ['its end', (bytes) => bytes.slice(0, -4), /are no states of a training/],
    ['more', (bytes) => new Uint8Array(bytes.length * 9), /were expected/],
  ];
  for (const [what, change, pattern] of changes) {
    const damage = async (store: SplitStore, id: string) => {
      const version = (await store.claim(id))!;
      const bytes = (await store.get(id, 1 << 30))!;
      await store.put(id, version, change(bytes));
    };
    const error = await failureOf(trainedOver('kept', cut, {}, damage));
    assert.instance(error, StoreError, what);
    assert.match(error.message, pattern, what);
  }
});

test('a server that is killed and started anew at its place goes on', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'split-store-'));
  const words = ['--store', folder];
  let server = await spawnServer(cut, 0, words);
  const port = Number(new URL(server.url).port);
  let again: Promise<void> | undefined;
  const restart = async () => {
    await server.close('SIGKILL');
    server = await spawnServer(cut, port, words);
  };
  try {
    const onProgress = () => void (again ??= restart());
    const result = await trainedSplit(server.url, cut, { onProgress });
    await again;
    assertSame(result, await whole, 'killed');
    assert.ok(result.traffic.reconnects > 0, 'connected again');
  } finally {
    await server.close();
    await rm(folder, { recursive: true });
  }
});

test.run();
