// What every store of servers' halves promises, held against each of them.
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NetworkError, OptionError, StoreError } from '../../../src/errors.ts';
import { memorySplitStore } from '../../../src/split/store/memory-store.ts';
import { openSplitStore } from '../../../src/split/store/open-store.ts';
import type { Bytes, SplitStore } from '../../../src/split/store/store.ts';
import { skip } from '../../skip.ts';
import { noRedis, redisProgram, startRedis } from './redis.ts';

const LEASE_MS = 60_000;
const ID = '0123abcd-0123-4abc-8abc-0123456789ab';
const OTHER = 'ffffffff-0123-4abc-8abc-0123456789ab';

/** Bytes that are no text, as a view into more of them. */
const bytesOf = (first: number): Bytes =>
  Uint8Array.from({ length: 1004 }, (_, i) => (i * 37 + first) & 255).subarray(4);

/** Where two servers' stores are one: opens it for each. */
interface Place {
  open(leaseMs?: number): Promise<SplitStore>;
  close(): Promise<void>;
}

function promises(name: string, placeOf: () => Promise<Place>): void {
  const test = suite<{ place: Place; a: SplitStore; b: SplitStore }>(`split/store ${name}`);
  test.before.each(async (context) => {
    context.place = await placeOf();
    context.a = await context.place.open();
    context.b = await context.place.open();
  });
  test.after.each(async ({ place, a, b }) => {
    await a.close();
    await b.close();
    await place.close();
  });

  test('what is put is there, in the place of what was', async ({ a, b }) => {
    assert.is(await a.get(ID, 9999), undefined);
    assert.is(await a.claim(ID), undefined);
    assert.is(await a.put(ID, 0, bytesOf(1)), true);
    assert.equal(await b.get(ID, 1000), new Uint8Array(bytesOf(1)));
    assert.is(await a.put(ID, 1, bytesOf(2)), true);
    const found = await b.get(ID, 1000);
    assert.equal(found, new Uint8Array(bytesOf(2)));
    assert.is(found!.byteOffset, 0);
    assert.is(await b.get(OTHER, 1000), undefined);
  });

  test('one who is late writes nothing over what another went on with', async ({ a, b }) => {
    await a.put(ID, 0, bytesOf(1));
    assert.is(await b.claim(ID), 2);
    assert.is(await a.put(ID, 1, bytesOf(9)), false, 'taken over');
    assert.is(await b.put(ID, 2, bytesOf(2)), true);
    assert.is(await b.put(ID, 3, bytesOf(3)), true);
    for (const version of [0, 1, 2, 3, 5])
      assert.is(await a.put(ID, version, bytesOf(9)), false, `version ${version}`);
    assert.is(await a.renew(ID, 1), false);
    await a.remove(ID, 1);
    assert.equal(await a.get(ID, 1000), new Uint8Array(bytesOf(3)));
    assert.is(await b.renew(ID, 4), true);
    await b.remove(ID, 4);
    assert.is(await b.get(ID, 1000), undefined);
    assert.is(await b.put(ID, 4, bytesOf(9)), false, 'removed');
    assert.is(await b.renew(ID, 4), false);
  });

  test('of many who claim or put at once, one has it', async ({ a, b }) => {
    await a.put(ID, 0, bytesOf(0));
    for (let version = 1; version < 60;) {
      const puts = [a, b, a, b].map((store, i) => store.put(ID, version, bytesOf(version + i)));
      const done = await Promise.all(puts);
      assert.is(done.filter(Boolean).length, 1, `version ${version}: ${done.join()}`);
      version++;
      const winner = version - 1 + done.indexOf(true);
      assert.equal(await b.get(ID, 1000), new Uint8Array(bytesOf(winner)));
      const claims = await Promise.all([a, b, a].map((store) => store.claim(ID)));
      assert.equal(claims.sort(), [version + 1, version + 2, version + 3].sort());
      version += 3;
    }
  });

  test('what is larger than it may be is not read', async ({ a }) => {
    await a.put(ID, 0, bytesOf(1));
    try {
      await a.get(ID, 999);
      assert.unreachable();
    } catch (error) {
      assert.instance(error, StoreError);
      assert.match((error as Error).message, /has 1\.0 kB in the store, at most 999 bytes|at most/);
    }
  });

  if (name !== 'memory')
    test('what nobody renews ends with its lease', async ({ place }) => {
      const short = await place.open(300);
      await short.put(ID, 0, bytesOf(1));
      await short.put(OTHER, 0, bytesOf(1));
      for (let i = 0; i < 10; i++) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        assert.is(await short.renew(OTHER, 1), true);
      }
      assert.is(await short.get(ID, 1000), undefined);
      assert.ok(await short.get(OTHER, 1000));
      await short.close();
    });

  test.run();
}

promises('memory', async () => {
  const one = memorySplitStore();
  return { open: async () => one, close: () => one.close() };
});

const newFolder = () => mkdtempSync(join(tmpdir(), 'recollect-split-'));

promises('folder', async () => {
  const folder = newFolder();
  return {
    open: (leaseMs = LEASE_MS) => openSplitStore(join(folder, 'made'), leaseMs),
    close: async () => rmSync(folder, { recursive: true, force: true }),
  };
});

const program = redisProgram();
if (program)
  promises('redis', async () => {
    const redis = await startRedis(program);
    return {
      open: (leaseMs = LEASE_MS) => openSplitStore(redis.url, leaseMs),
      close: () => redis.close(),
    };
  });
else skip('split/store/store.test.js', 'stores in Redis', noRedis);

const test = suite('split/store');

async function failure(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing failed');
}

test('a name that is no store, or none that is there, says so', async () => {
  for (const name of ['http://127.0.0.1', 'redis://', ''])
    assert.instance(await failure(openSplitStore(name, 1000)), OptionError, name);
  const folder = newFolder();
  writeFileSync(join(folder, 'file'), '');
  assert.instance(await failure(openSplitStore(join(folder, 'file'), 1000)), StoreError);
  rmSync(folder, { recursive: true });
  const none = await failure(openSplitStore('redis://127.0.0.1:1', 1000));
  assert.instance(none, StoreError);
  assert.match(none.message, /store at 127\.0\.0\.1:1 did not answer .*ECONNREFUSED/);
});

test('a folder keeps what is not its own', async () => {
  const folder = newFolder();
  const old = `recollect-${ID}.7`;
  for (const name of [old, 'recollect-notes.7', `other-${ID}.7`, `recollect-${ID}.7.part`]) {
    writeFileSync(join(folder, name), 'x');
    utimesSync(join(folder, name), 1, 1);
  }
  await (await openSplitStore(folder, 1000)).close();
  assert.not(readdirSync(folder).includes(old), 'its lease was over');
  assert.is(readdirSync(folder).length, 3);
  rmSync(folder, { recursive: true });
});

if (program)
  test('a store that is away says so at once, and is there again later', async () => {
    const redis = await startRedis(program);
    const store = await openSplitStore(redis.url, LEASE_MS);
    assert.is(await store.put(ID, 0, bytesOf(1)), true);
    await redis.close();
    const began = performance.now();
    assert.instance(await failure(store.put(ID, 1, bytesOf(1))), NetworkError);
    assert.ok(performance.now() - began < 3000);
    const again = await startRedis(program, redis.port);
    while (
      await store.put(ID, 0, bytesOf(2)).then(
        (isDone) => !isDone,
        () => true,
      )
    )
      await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(await store.get(ID, 1000), new Uint8Array(bytesOf(2)));
    await store.close();
    await again.close();
  });

test.run();
