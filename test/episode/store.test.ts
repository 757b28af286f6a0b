// Stores: what was put is whole or not there, nobody's files but those of ended processes are
// touched, and a store that was cleared keeps nothing.
import { spawn } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { BytesOut } from '../../src/cache/stored.ts';
import { diskStore } from '../../src/episode/disk-store.ts';
import { memoryStore } from '../../src/episode/memory-store.ts';
import type { EpisodeStore } from '../../src/episode/store.ts';
import { folderSuite } from '../folder-suite.ts';
import { rejects } from '../rejects.ts';
import { skip } from '../skip.ts';

const test = folderSuite('stores', 'recollect-store-');

const bytesOf = (text: string) => new TextEncoder().encode(text);
const writing =
  (...parts: string[]) =>
  async (out: BytesOut) => {
    out.reserve(parts.join('').length);
    for (const part of parts) await out.write(bytesOf(part));
  };
async function read(store: EpisodeStore, key: string): Promise<string> {
  return store.get(key, async (from) => {
    const bytes = new Uint8Array(from.size);
    const half = from.size >> 1;
    await from.read(half, bytes.subarray(half));
    await from.read(0, bytes.subarray(0, half));
    return new TextDecoder().decode(bytes);
  });
}
const stores = (folder: string): [EpisodeStore, EpisodeStore] => [memoryStore(), diskStore(folder)];
/** A promise, and what fulfils it. */
function gate(): { open: () => void; passed: Promise<void> } {
  let open = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, passed };
}

test('what was put in parts is read in parts, and may be put again, longer or shorter', async ({
  folder,
}) => {
  for (const store of stores(folder)) {
    await store.put('0', writing('a', 'bc', 'def'));
    await store.put('1', writing('other'));
    assert.is(await read(store, '0'), 'abcdef');
    await store.put('0', writing('x'));
    assert.is(await read(store, '0'), 'x');
    await store.put('0', writing('much ', 'longer than before'));
    assert.is(await read(store, '0'), 'much longer than before');
    await rejects(read(store, '2'), 'StoreError', /no stored episode|cannot be read/);
    await rejects(
      store.get('0', (from) => from.read(20, new Uint8Array(10))),
      'StoreError',
      /stored|ends at/,
    );
    assert.is(await read(store, '1'), 'other');
    await store.remove('1');
    await store.remove('1');
    await rejects(read(store, '1'), 'StoreError', /no stored episode|cannot be read/);
    assert.is(store.memoryBytes > 0, store.kind === 'memory');
    await store.clear();
    assert.is(store.memoryBytes, 0);
  }
  assert.equal(readdirSync(folder), []);
});

test('what fails half way leaves no half: on disk what was there, in memory nothing', async ({
  folder,
}) => {
  for (const store of stores(folder)) {
    await store.put('0', writing('before'));
    const failing = async (out: BytesOut) => {
      out.reserve(12);
      await out.write(bytesOf('half'));
      throw new RangeError('in the middle');
    };
    await rejects(store.put('0', failing), 'RangeError', /in the middle/);
    if (store.kind === 'disk') assert.is(await read(store, '0'), 'before');
    else await rejects(read(store, '0'), 'StoreError', /no stored/);
    if (store.kind === 'disk') assert.is(readdirSync(folder).length, 1);
    await store.put('0', writing('after'));
    assert.is(await read(store, '0'), 'after');
    await store.clear();
  }
});

test('memory is used again, and two states of an episode never lie side by side', async () => {
  const store = memoryStore();
  const before: number[] = [];
  for (const size of [100, 100, 60, 400]) {
    await store.put('0', async (out) => {
      out.reserve(size);
      before.push(store.memoryBytes);
      await out.write(new Uint8Array(size));
    });
  }
  assert.equal(before, [100, 100, 100, 400]);
});

test('clear() ends what is under way, waits for it, and nothing is stored any more', async ({
  folder,
}) => {
  for (const store of stores(folder)) {
    await store.put('0', writing('zero'));
    const [began, goOn] = [gate(), gate()];
    const put = store.put('1', async (out) => {
      out.reserve(8);
      await out.write(bytesOf('half'));
      began.open();
      await goOn.passed;
      await out.write(bytesOf('half'));
    });
    const got = store.get('0', async (from) => {
      await goOn.passed;
      await from.read(0, new Uint8Array(4));
    });
    const outcomes = Promise.allSettled([put, got]);
    await began.passed;
    let cleared = false;
    const clearing = Promise.all([store.clear(), store.clear()]).then(() => {
      cleared = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.is(cleared, false, 'it waits');
    assert.is(store.closed, true);
    goOn.open();
    await clearing;
    for (const outcome of await outcomes)
      assert.match(
        String((outcome as PromiseRejectedResult).reason),
        /StoreError: the conversation was disposed of/,
      );
    await rejects(store.put('2', writing('late')), 'StoreError', /disposed of/);
    await rejects(read(store, '0'), 'StoreError', /disposed of/);
    assert.equal(readdirSync(folder), []);
  }
});

test('a store cleared at any turn of a put leaves nothing', async ({ folder }) => {
  for (let turns = 0; turns < 30; turns++) {
    const store = diskStore(folder);
    const put = store.put('0', writing('a', 'b', 'c')).catch(() => {});
    for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
    await store.clear();
    assert.equal(readdirSync(folder), [], `after ${turns} turns`);
    await put;
  }
});

test('names stay in the folder, and only of files that can be', async ({ folder }) => {
  const store = diskStore(join(folder, 'new', 'below'));
  for (const key of ['../0', 'a/b', '', '.', 'a\0b'])
    await rejects(store.put(key, writing('x')), 'RangeError', /no key/);
  await store.put('0', writing('x'));
  assert.equal(readdirSync(folder), ['new']);
  assert.match(
    readdirSync(join(folder, 'new', 'below'))[0],
    /^recollect-[0-9a-z]+-\d+-\d+-[0-9a-z]+\.0\.rcs$/,
  );
  for (const name of ['', 'a\0b', undefined as unknown as string, 7 as unknown as string])
    assert.throws(() => diskStore(name), /name of a folder/);
  await store.clear();
  // the folder is the one that was named, wherever the process goes
  const cwd = process.cwd();
  process.chdir(folder);
  const relative = diskStore('here');
  process.chdir(cwd);
  await relative.put('0', writing('x'));
  assert.is(readdirSync(join(folder, 'here')).length, 1);
  await relative.clear();
});

test('a folder that cannot be written is named, and what was stored before is used once it can be again', async ({
  folder,
}) => {
  const inside = join(folder, 'store');
  const store = diskStore(inside);
  await store.put('0', writing('zero'));
  renameSync(inside, `${inside}-away`);
  writeFileSync(inside, 'a file where the folder was');
  await rejects(
    store.put('0', writing('other')),
    'StoreError',
    /cannot be stored as '.*store.*choose a folder that can be written/,
  );
  await rejects(read(store, '0'), 'StoreError', /cannot be read/);
  rmSync(inside);
  renameSync(`${inside}-away`, inside);
  assert.is(await read(store, '0'), 'zero');
  rmSync(inside, { recursive: true });
  await rejects(read(store, '0'), 'StoreError', /cannot be read/);
  await store.put('0', writing('again'));
  assert.is(await read(store, '0'), 'again');
  await store.clear();
  assert.equal(readdirSync(inside), []);
});

/** Puts once, and gives what else lies in the folder then. */
async function sweep(folder: string): Promise<string[]> {
  const store = diskStore(folder);
  await store.put('0', writing('x'));
  await store.clear();
  return readdirSync(folder).sort();
}
const DAY_MS = 24 * 3600_000;
const leave = (folder: string, name: string, days = 0) => {
  writeFileSync(join(folder, name), 'left');
  const then = new Date(Date.now() - days * DAY_MS);
  utimesSync(join(folder, name), then, then);
};

test('what ended processes left is removed by the next one; living ones keep theirs', async ({
  folder,
}) => {
  const code = `const { diskStore } = await import(${JSON.stringify(new URL('../../src/episode/disk-store.js', import.meta.url).href)});
    const store = diskStore(${JSON.stringify(folder)});
    for (const key of ['0', '1']) await store.put(key, async (out) => { out.reserve(4); await out.write(new Uint8Array(4)); });
    process.stdout.write('put');
    await store.put('2', async (out) => { out.reserve(8); await out.write(new Uint8Array(4)); await new Promise((go) => setTimeout(go, 60_000)); });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await new Promise<void>((resolve) => child.stdout.once('data', () => resolve()));
    const until = Date.now() + 10_000;
    while (readdirSync(folder).length < 3 && Date.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 5));
    assert.is((await sweep(folder)).length, 3, 'it runs');
  } finally {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }
  assert.is(
    readdirSync(folder).length,
    3,
    'a process that is killed leaves its files, and one that is half written',
  );
  assert.equal(await sweep(folder), []);
});

test('a number that another process has by now, other machines, and files that are none of ours', async ({
  folder,
}) => {
  if (!existsSync('/proc/self/stat'))
    return skip(
      'episode/store.test.ts',
      'a number that another process has by now',
      'there is no /proc here',
    );
  const store = diskStore(folder);
  await store.put('0', writing('mine'));
  const [, place, pid, start] = /^recollect-(\w+)-(\d+)-(\d+)-/.exec(readdirSync(folder)[0])!;
  const [own] = readdirSync(folder);
  const twin = `recollect-${place}-${pid}-${Number(start) - 1}-abc.0.rcs`;
  const nobody = `recollect-${place}-${2 ** 22 + 7}-5-abc.0.rcs.tmp`;
  const elsewhere = 'recollect-otherplace-77-5-abc.1.rcs';
  const old = 'recollect-otherplace-78-5-abc.1.rcs';
  const sibling = `recollect-${place}-${pid}-${start}-othersession.3.rcs`;
  const foreign = ['notes.rcs', 'recollect-.rcs', `${own}.bak`, `x${own}`, 'recollect-tiny.gguf'];
  for (const name of [twin, nobody, elsewhere, sibling]) leave(folder, name);
  leave(folder, old, 8);
  for (const name of foreign) leave(folder, name, 30);
  // cannot be removed like a file
  mkdirSync(join(folder, `recollect-${place}-${2 ** 22 + 7}-6-abc.0.rcs`));
  const left = await sweep(folder);
  assert.equal(
    left,
    [own, elsewhere, sibling, `recollect-${place}-${2 ** 22 + 7}-6-abc.0.rcs`, ...foreign].sort(),
  );
  assert.is(await read(store, '0'), 'mine');
  await store.clear();
});

test('what is written goes through no link that lies where it is to go', async ({ folder }) => {
  const inside = join(folder, 'store');
  const store = diskStore(inside);
  await store.put('0', writing('one'));
  const [name] = readdirSync(inside);
  const victim = join(folder, 'victim');
  writeFileSync(victim, 'precious');
  rmSync(join(inside, name));
  symlinkSync(victim, join(inside, name));
  symlinkSync(victim, join(inside, `${name}.tmp`));
  await store.put('0', writing('two'));
  assert.is(readFileSync(victim, 'utf8'), 'precious');
  assert.is(await read(store, '0'), 'two');
  assert.is(lstatSync(join(inside, name)).mode & 0o077, 0, 'only its owner may read what was said');
  await store.clear();
  assert.equal(readdirSync(inside), []);
});

test('many stores in one folder, at once', async ({ folder }) => {
  const many = Array.from({ length: 20 }, () => diskStore(folder));
  await Promise.all(
    many.map(async (store, i) =>
      Promise.all([0, 1, 2].map((e) => store.put(String(e), writing(`${i}`, ` ${e}`)))),
    ),
  );
  assert.is(readdirSync(folder).length, 60);
  for (const [i, store] of many.entries())
    for (const e of [0, 1, 2]) assert.is(await read(store, String(e)), `${i} ${e}`);
  for (const store of many) {
    await store.put('0', writing('again'));
    await store.clear();
  }
  assert.equal(readdirSync(folder), []);
});

test.run();
