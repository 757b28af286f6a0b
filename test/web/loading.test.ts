// Loading in a page and in a worker: relative URLs, and failures of which pages are told nothing.
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type Browser, chromium, type Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chromiumArguments, chromiumPath, servePage } from '../browser.ts';
import { skip } from '../skip.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const fileOf = (path: string) => {
  const file = join(root, path);
  return file.startsWith(root) ? file : undefined;
};

/** The part of the package that reads. */
const PAGE = `<!doctype html><title>recollect</title><base href="/models/">
<script type="importmap">{ "imports": { "#runtime": "/build/js/src/runtime/web.js" } }</script>
<script type="module">
import { openSource } from '/build/js/src/model/source.js';
globalThis.read = async (input, options) => {
  try {
    const source = await openSource(input, { retryDelayMs: 1, ...options });
    const bytes = await source.read(0, 4);
    await source.close();
    return source.name + ' ' + new TextDecoder().decode(bytes);
  } catch (error) {
    return error.name + ': ' + error.message;
  }
};
</script>`;

if (chromiumPath === undefined)
  skip('web/loading.test.js', 'loading in a browser', 'no Chromium is installed');
else {
  const test = suite('loading in Chromium');
  let browser: Browser;
  test.before(async () => {
    browser = await chromium.launch({ executablePath: chromiumPath, args: chromiumArguments });
  });
  test.after(() => browser.close());

  async function onPage(use: (page: Page, url: string) => Promise<void>): Promise<void> {
    const server = await servePage(PAGE, fileOf, false);
    const page = await browser.newPage();
    try {
      await page.goto(server.url);
      await page.waitForFunction('globalThis.read', undefined, { timeout: 20_000 });
      await use(page, server.url);
    } finally {
      await page.close();
      await server.close();
    }
  }
  const read = (page: Page, expression: string, options: object = {}) =>
    page.evaluate(
      `(async () => read(${expression}, ${JSON.stringify(options)}))()`,
    ) as Promise<string>;

  test('relative URLs are relative to the page', async () => {
    await onPage(async (page, url) => {
      const found = `${url}models/recollect-tiny.gguf GGUF`;
      const inputs = [
        "'recollect-tiny.gguf'",
        "'./recollect-tiny.gguf'",
        "'../models/recollect-tiny.gguf'",
        "'/models/recollect-tiny.gguf?x=1'",
      ];
      for (const input of inputs)
        assert.is(
          await read(page, input),
          input.includes('?') ? found.replace(' ', '?*** ') : found,
        );
      assert.is(await read(page, "new URL('recollect-tiny.gguf', document.baseURI)"), found);
      const blob = "await fetch('recollect-tiny.gguf').then((r) => r.blob())";
      assert.is(await read(page, blob), 'blob GGUF');
      assert.match(await read(page, `URL.createObjectURL(${blob})`), /^blob:.* GGUF$/);
      assert.match(
        await read(page, "'nothing.gguf'"),
        /^OptionError: http.*models\/nothing.gguf: answered 404/,
      );
      assert.match(await read(page, "''"), /^OptionError: the model's URL is empty/);
      assert.match(
        await read(page, "'C:\\\\models\\\\m.gguf'"),
        /^UnsupportedError: .*no file system/,
      );
      assert.match(await read(page, "'file:///m.gguf'"), /^UnsupportedError: .*no file system/);
    });
  });
  test('in a worker they are relative to its script', async () => {
    // workers have no import maps: what it imports is bundled
    const folder = mkdtempSync(join(root, 'build', 'worker-'));
    try {
      copyFileSync(join(root, 'models/recollect-tiny.gguf'), join(folder, 'm.gguf'));
      const code = `import { openSource } from './js/src/model/source.js';
        try {
          const source = await openSource('m.gguf');
          postMessage(source.name + ' ' + new TextDecoder().decode(await source.read(0, 4)));
          await source.close();
        } catch (error) {
          postMessage(error.name + ': ' + error.message);
        }`;
      await build({
        stdin: { contents: code, resolveDir: join(root, 'build') },
        bundle: true,
        format: 'esm',
        conditions: ['browser'],
        outfile: join(folder, 'worker.js'),
      });
      await onPage(async (page, url) => {
        const at = `build/${basename(folder)}`;
        const found = await page.evaluate(`new Promise((resolve, reject) => {
          const worker = new Worker('/${at}/worker.js', { type: 'module' });
          worker.onmessage = ({ data }) => resolve(data);
          worker.onerror = (event) => reject(new Error(event.message));
        })`);
        assert.is(found, `${url}${at}/m.gguf GGUF`);
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
  test('what a page is not told is said as far as it can be seen', async () => {
    let requests = 0;
    const other = createServer((request, response) => {
      requests++;
      if (request.url === '/open')
        response.writeHead(200, { 'access-control-allow-origin': '*' }).end('GGUF and more');
      else if (request.url === '/break') {
        const cors = { 'access-control-allow-origin': '*' };
        const [, from] = /bytes=(\d+)-/.exec(request.headers.range ?? '') ?? [];
        if (from)
          response
            .writeHead(206, { ...cors, 'content-length': 8 - Number(from) })
            .end('GGUFGGUF'.slice(Number(from)));
        else
          response
            .writeHead(200, { ...cors, 'content-length': 8 })
            .write('GG', () => setTimeout(() => response.destroy(), 50));
      } else response.end('GGUF');
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const at = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    try {
      await onPage(async (page, url) => {
        assert.is(await read(page, `'${at}/open'`), `${at}/open GGUF`);
        // the range needs no leave of the other server's, and its Content-Range is not seen
        assert.is(await read(page, `'${at}/break'`), `${at}/break GGUF`);
        requests = 0;
        const refused = await read(page, `'${at}/closed?token=secret'`);
        assert.match(
          refused,
          /^NetworkError: .*\/closed\?\*\*\*: it could not be fetched \(Failed to fetch\), 2 times/,
        );
        assert.ok(
          refused.includes(`does not let pages of ${new URL(url).origin} read it (CORS`),
          refused,
        );
        assert.is(requests, 2);
      });
    } finally {
      other.closeAllConnections();
      other.close();
    }
  });
  test.run();
}
