// Models that a browser keeps: what the server sends the second time, and what becomes of copies
// that were cut off, replaced, deleted, or for which there is no room.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CachedModel } from '../../src/model/cached-models.ts';
import { chromiumArguments, chromiumPath, servePage } from '../browser.ts';
import { smallLlama, writeGguf } from '../gguf-writer.ts';
import { partName, splitModel } from '../model/split-model.ts';
import { skip } from '../skip.ts';
import { FileServer, MIB, sumOf } from './kept-files.ts';

/** Of 4 MiB each. */
const parts = splitModel(
  writeGguf(
    smallLlama({
      tensors: () =>
        ['a', 'b', 'c'].map((name, i) => ({
          ...{ name, shape: [MIB], type: 0 },
          data: new Uint8Array(4 * MIB).fill(i + 1),
        })),
    }),
  ),
);
const root = fileURLToPath(new URL('../../../../', import.meta.url));

const imports = {
  '#runtime': '/build/js/src/runtime/web.js',
  '#workers/file.text': '/build/workers/file.text.js',
};
/** The part of the package that reads, as a load does: a piece at a time, to the end. */
const PAGE = `<!doctype html><title>recollect</title>
<script type="importmap">${JSON.stringify({ imports })}</script>
<script type="module">
import { openModel } from '/build/js/src/model/parts.js';
import { openSource } from '/build/js/src/model/source.js';
import { checksum, EMPTY_CHECKSUM } from '/build/js/src/cache/checksum.js';
import { cachedModels, deleteCachedModel } from '/build/js/src/model/cached-models.js';
const plain = (value) => JSON.parse(JSON.stringify(value));
globalThis.list = async () => plain(await cachedModels());
globalThis.remove = (url) => deleteCachedModel(url).catch((error) => error.name + ': ' + error.message);
globalThis.open = async (url, options) => {
  globalThis.source = await openSource(url, { cache: true, retries: 0, ...options });
  globalThis.sum = EMPTY_CHECKSUM;
  globalThis.at = 0;
};
globalThis.readTo = async (end) => {
  while (at < end) {
    source.forget(at);
    const bytes = await source.read(at, ${MIB});
    if (bytes.length === 0) break;
    sum = checksum(sum, new Int32Array(bytes.slice().buffer));
    at += bytes.length;
  }
};
globalThis.close = async () => {
  await source.close();
  return plain({ at, sum, cache: source.cache });
};
globalThis.load = async (url, options) => {
  try {
    await open(url, options);
    await readTo(Infinity).finally(() => source.close());
    return plain({ at, sum, cache: source.cache });
  } catch (error) {
    return { failed: error.name + ': ' + error.message };
  }
};
globalThis.loadParts = async (url) => {
  const model = await openModel(url, { cache: true, retries: 0 });
  let sum = EMPTY_CHECKSUM;
  for (const { offset, byteLength } of (await model.readHeaders(false)).tensors) {
    model.forget(offset);
    sum = checksum(sum, new Int32Array((await model.read(offset, byteLength)).slice().buffer));
  }
  await model.close();
  return plain({ sum, cache: model.cache });
};
</script>`;

/** The same, and it may start no workers. */
const BARE = PAGE.replace(
  '<title>',
  `<meta http-equiv="Content-Security-Policy" content="worker-src 'none'"><title>`,
);

interface Loaded {
  readonly at: number;
  readonly sum: number;
  readonly cache: { cachedBytes: number; complete: boolean; note: string };
  readonly failed: string;
}

if (chromiumPath === undefined)
  skip('web/cache.test.js', 'models that a browser keeps', 'no Chromium is installed');
else {
  const test = suite('models kept in Chromium');
  const folder = mkdtempSync(join(tmpdir(), 'recollect-profile-'));
  const fileOf = (path: string) => {
    if (['/bare.html', '/worker.js'].includes(path)) return join(folder, path);
    const file = join(root, path);
    return file.startsWith(root) ? file : undefined;
  };
  const server = new FileServer();
  /** Not a private window, whose files are memory. */
  const launch = () =>
    chromium.launchPersistentContext(folder, {
      executablePath: chromiumPath,
      args: [...chromiumArguments, '--enable-blink-features=ForceEagerMeasureMemory'],
    });
  let browser: BrowserContext;
  let site: Awaited<ReturnType<typeof servePage>>;
  let page: Page;

  const openPage = async (path = ''): Promise<Page> => {
    const opened = await browser.newPage();
    await opened.goto(site.url + path);
    await opened.waitForFunction('globalThis.load', undefined, { timeout: 20_000 });
    return opened;
  };
  const call = <T>(name: string, given: unknown[] = [], on = page): Promise<T> =>
    on.evaluate(`${name}(${given.map((value) => JSON.stringify(value)).join(', ')})`) as Promise<T>;
  const load = (options: object = {}, on = page): Promise<Loaded> =>
    call('load', [server.url, options], on);
  const list = (on = page): Promise<(Omit<CachedModel, 'savedAt'> & { savedAt: string })[]> =>
    call('list', [], on);
  const whole = ({ seed, mibs } = server.file) => ({ at: mibs * MIB, sum: sumOf(seed, mibs) });

  test.before(async () => {
    await server.listen();
    writeFileSync(join(folder, 'bare.html'), BARE);
    site = await servePage(PAGE, fileOf, true);
    browser = await launch();
  });
  test.after(async () => {
    await browser.close();
    await site.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  test.before.each(async () => {
    server.file = { seed: 1, mibs: 3, headers: { etag: '"v1"' }, refuses: {} };
    page = await openPage();
    await call('remove', [server.url]);
    server.take();
  });
  test.after.each(() => page.close());

  test('a second load takes no byte of the body, in another browser of the same profile neither', async () => {
    const cold = await load();
    assert.equal(cold, { ...whole(), cache: { cachedBytes: 0, complete: true } });
    assert.equal(server.take(), { asked: ['GET'], sent: 3 * MIB });
    const warm = { ...whole(), cache: { cachedBytes: 3 * MIB, complete: true } };
    assert.equal(await load(), warm);
    assert.equal(server.take(), { asked: ['HEAD'], sent: 0 });
    await browser.close();
    browser = await launch();
    page = await openPage();
    assert.equal(await load(), warm);
    assert.equal(server.take(), { asked: ['HEAD'], sent: 0 });
  });

  test('what the server changed is replaced: by its tag, its date or its length', async () => {
    const changes = [
      { headers: { etag: '"v1"' }, seed: 1, mibs: 3 },
      { headers: { etag: '"v2"' }, seed: 2, mibs: 2 },
      { headers: { 'last-modified': 'Sat, 01 Jan 2000 00:00:00 GMT' }, seed: 3, mibs: 2 },
      { headers: { 'last-modified': 'Sun, 02 Jan 2000 00:00:00 GMT' }, seed: 4, mibs: 2 },
      { headers: { 'last-modified': 'Sun, 02 Jan 2000 00:00:00 GMT' }, seed: 5, mibs: 1 },
    ];
    for (const [i, change] of changes.entries()) {
      Object.assign(server.file, change);
      const cache = { cachedBytes: 0, complete: true };
      assert.equal(await load(), { ...whole(), cache }, JSON.stringify(change));
      assert.equal(server.take().asked, i === 0 ? ['GET'] : ['HEAD', 'GET']);
      const again = await load();
      assert.equal(again, { ...whole(), cache: { ...cache, cachedBytes: change.mibs * MIB } });
      assert.is(server.take().sent, 0);
    }
    const kept = await list();
    assert.is(kept.length, 1, 'the old ones are gone');
    assert.is(kept[0].bytes, MIB);
  });

  test('a load that was cut off goes on from what came', async () => {
    server.file.mibs = 12;
    server.file.breakAt = 7;
    const { failed } = await load();
    const [{ url, bytes, totalBytes, complete }] = await list();
    assert.equal([url, totalBytes, complete], [server.url, 12 * MIB, false]);
    assert.match(failed, new RegExp(`^NetworkError: .*at byte ${bytes} of 12582912`));
    assert.ok(bytes > 4 * MIB && bytes <= 7 * MIB, `${bytes}`);
    server.take();
    const cache = { cachedBytes: bytes, complete: true };
    assert.equal(await load(), { ...whole(), cache });
    assert.equal(server.take(), { asked: ['HEAD', `GET ${bytes}`], sent: 12 * MIB - bytes });
    // what came is of no use where the file is another now
    await call('remove', [server.url]);
    server.file.breakAt = 7;
    await load();
    Object.assign(server.file, { seed: 2, headers: { etag: '"v2"' } });
    assert.equal(await load(), { ...whole(), cache: { cachedBytes: 0, complete: true } });
  });

  test('a page that was closed in the middle leaves what its head speaks of', async () => {
    server.file.mibs = 28;
    await call('open', [server.url]);
    await call('readTo', [24 * MIB]);
    await page.close();
    page = await openPage();
    const [{ bytes, complete }] = await list();
    assert.equal([bytes, complete], [16 * MIB, false]);
    server.take();
    const cache = { cachedBytes: 16 * MIB, complete: true };
    assert.equal(await load(), { ...whole(), cache });
    assert.equal(server.take(), { asked: ['HEAD', `GET ${16 * MIB}`], sent: 12 * MIB });
  });

  test('without the server a whole copy is used as it is, and half of one ends where it ends', async () => {
    await load();
    await server.close();
    try {
      const { cache, ...rest } = await load();
      assert.equal(rest, whole());
      assert.match(
        cache.note,
        /^it was not checked whether the server has another version: it could/,
      );
    } finally {
      await server.listen();
    }
    server.file.refuses = { HEAD: 503 };
    assert.match((await load()).cache.note, /another version: answered 503/);
    // whoever may not have the file does not get it from here
    server.file.refuses = { HEAD: 403, GET: 403 };
    assert.match((await load()).failed, /^OptionError: .*answered 403.*token/);
    server.take();
    // servers without HEAD are asked for a byte
    server.file.refuses = { HEAD: 405 };
    assert.equal(await load(), { ...whole(), cache: { cachedBytes: 3 * MIB, complete: true } });
    assert.equal(server.take(), { asked: ['HEAD', 'GET 0'], sent: 1 });
    await call('remove', [server.url]);
    server.file.breakAt = 2;
    await load();
    await server.close();
    try {
      assert.match((await load()).failed, /^NetworkError: .*at byte \d+ of 3145728/);
    } finally {
      await server.listen();
    }
  });

  test('a model in several files is kept file by file', async () => {
    const [path, ...rest] = parts.map((bytes, no) => {
      server.others.set(`/${partName(no)}`, bytes);
      return `/${partName(no)}`;
    });
    const urlOf = (name: string) => new URL(name, server.url).href;
    const loadParts = () => call<Omit<Loaded, 'at' | 'failed'>>('loadParts', [urlOf(path)]);
    const total = parts.reduce((bytes, { length }) => bytes + length, 0);
    const { sum, cache } = await loadParts();
    assert.equal(cache, { cachedBytes: 0, complete: true });
    const from = server.take().asked.map((asked) => Number(/\d+/.exec(asked) ?? 0));
    assert.equal(
      from.map((at) => at > 0),
      [false, false, false, true, true],
      `${from}`,
    );
    assert.equal(await loadParts(), { sum, cache: { cachedBytes: total, complete: true } });
    assert.equal(server.take(), { asked: ['HEAD', 'HEAD', 'HEAD'], sent: 0 });
    const kept = await list();
    assert.equal(kept.map(({ url }) => url).sort(), [path, ...rest].map(urlOf));
    // what is gone of one comes again, and nothing of the others
    await call('remove', [urlOf(rest[0])]);
    const cachedBytes = total - parts[1].length;
    assert.equal(await loadParts(), { sum, cache: { cachedBytes, complete: true } });
    assert.is(server.take().asked.filter((asked) => asked === 'GET').length, 1);
    for (const name of [path, ...rest]) await call('remove', [urlOf(name)]);
    assert.equal(await list(), []);
  });

  test('what tells no version is loaded, and not kept', async () => {
    server.file.headers = {};
    const { cache, ...rest } = await load();
    assert.equal(rest, whole());
    assert.match(cache.note, /^it is not kept: its server names no version/);
    assert.equal(await list(), []);
  });

  test('a copy is deleted by its URL, not while it is loaded', async () => {
    await load();
    assert.is(await call('remove', [`${server.url}?other`]), false);
    await call('open', [server.url]);
    assert.match(await call('remove', [server.url]), /^StoreError: .*is being loaded/);
    await call('close');
    assert.is(await call('remove', [server.url.replace('//', '//user:word@')]), true);
    assert.is(await call('remove', [server.url]), false);
    assert.equal(await list(), []);
    assert.match(await call('remove', ['']), /^OptionError: the model's URL is empty/);
  });

  test('two pages that load at once do not hinder each other, and one keeps it', async () => {
    server.file.mibs = 16;
    const other = await openPage();
    const both = await Promise.all([load(), load({}, other)]);
    for (const { at, sum } of both) assert.equal({ at, sum }, whole());
    const kept = both.filter(({ cache }) => cache.complete);
    assert.is(kept.length, 1, JSON.stringify(both));
    const [{ cache }] = both.filter((each) => !each.cache.complete);
    assert.match(cache.note, /another load of it/);
    server.take();
    const warm = await Promise.all([load(), load({}, other)]);
    for (const each of warm)
      assert.equal(each, { ...whole(), cache: { cachedBytes: 16 * MIB, complete: true } });
    assert.equal(server.take(), { asked: ['HEAD', 'HEAD'], sent: 0 });
    await other.close();
  });

  test('where there is no room, before or in the middle, it is loaded and not kept', async () => {
    const devtools = await browser.newCDPSession(page);
    const { origin } = new URL(site.url);
    const allow = (quotaSize?: number) =>
      devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize });
    try {
      server.file.mibs = 24;
      // Chromium tells pages a quota of its own, whatever it is
      await page.evaluate(`estimate = navigator.storage.estimate.bind(navigator.storage);
        navigator.storage.estimate = async () => ({ quota: ${22 * MIB}, usage: ${2 * MIB} })`);
      const before = await load();
      assert.equal({ at: before.at, sum: before.sum }, whole());
      assert.match(
        before.cache.note,
        /not kept: it is 24.0 MB, and .* has room for 20.0 MB: delete/,
      );
      await page.evaluate('navigator.storage.estimate = estimate; undefined');
      await call('open', [server.url]);
      await call('readTo', [6 * MIB]);
      await allow(12 * MIB);
      await call('readTo', [25 * MIB]);
      const middle = await call<Loaded>('close');
      assert.equal({ at: middle.at, sum: middle.sum }, whole());
      assert.match(
        middle.cache.note,
        /^it is not kept: the browser has no more room for this site/,
      );
      assert.is(middle.cache.complete, false);
      assert.equal(await list(), [], 'the piece that came is gone');
    } finally {
      await allow();
    }
  });

  test('no more than 64 MB is held of a larger file, while it is kept and while it is read', async () => {
    server.file.mibs = 72;
    const held = () =>
      page.evaluate(
        'performance.measureUserAgentSpecificMemory().then(({ bytes }) => bytes)',
      ) as Promise<number>;
    const before = await held();
    for (const cachedBytes of [0, 72 * MIB]) {
      await call('open', [server.url]);
      let most = 0;
      for (let mib = 9; mib <= 72; mib += 9) {
        await call('readTo', [mib * MIB]);
        most = Math.max(most, await held());
      }
      assert.equal(await call('close'), { ...whole(), cache: { cachedBytes, complete: true } });
      assert.ok(most - before < 64e6, `${most - before} bytes`);
    }
  });

  test('a page without workers keeps nothing, and reads what others of its site kept', async () => {
    const other = await openPage('bare.html');
    try {
      const { cache, ...rest } = await load({}, other);
      assert.equal(rest, whole());
      assert.match(cache.note, /^it is not kept: no worker runs.*could not be loaded/);
      await load();
      server.take();
      const warm = { ...whole(), cache: { cachedBytes: 3 * MIB, complete: true } };
      assert.equal(await load({}, other), warm);
      assert.equal(server.take(), { asked: ['HEAD'], sent: 0 });
    } finally {
      await other.close();
    }
  });

  test('a worker keeps and reads by itself', async () => {
    const code = `import { openSource } from './js/src/model/source.js';
      const source = await openSource('${server.url}', { cache: true });
      const { length } = await source.read(0, ${4 * MIB});
      await source.close();
      postMessage({ length, cache: source.cache });`;
    await build({
      stdin: { contents: code, resolveDir: join(root, 'build') },
      bundle: true,
      format: 'esm',
      conditions: ['browser'],
      outfile: join(folder, 'worker.js'),
      logLevel: 'error',
    });
    const run = () =>
      page.evaluate(`new Promise((resolve, reject) => {
        const worker = new Worker('/worker.js', { type: 'module' });
        worker.onmessage = ({ data }) => resolve(JSON.parse(JSON.stringify(data)));
        worker.onerror = (event) => reject(new Error(event.message));
      })`);
    for (const cachedBytes of [0, 3 * MIB])
      assert.equal(await run(), { length: 3 * MIB, cache: { cachedBytes, complete: true } });
    assert.is(server.take().sent, 3 * MIB);
    // and a page finds what it kept
    assert.is((await load()).cache.cachedBytes, 3 * MIB);
  });

  test.run();
}
