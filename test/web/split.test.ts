// A split training's client in a page and in its worker, beside a server on Node: the bits of a
// training in one piece there.
import { mkdtempSync, rmSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chromiumArguments, chromiumPath, servePage } from '../browser.ts';
import { bundled } from '../fixtures.ts';
import { startServer } from '../runtimes/split-server.ts';
import { trainedWhole } from '../runtimes/split-training.ts';
import { skip } from '../skip.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

/** The same script for a page, which calls `train`, and for a worker, which is sent the address. */
const SCRIPT = `
import { trainedSplit } from './js/test/runtimes/split-training.js';
const model = new URL('/models/recollect-tiny.gguf', location.href).href;
globalThis.train = (url) => trainedSplit(model, url).catch((error) => String(error.stack));
globalThis.onmessage = async ({ data }) => postMessage(await globalThis.train(data));
`;

if (chromiumPath === undefined)
  skip('web/split.test.js', 'split training in a browser', 'no Chromium is installed');
else {
  const test = suite('split training in Chromium');

  test('a page and a worker train with half a model as Node does with all of it', async () => {
    const path = bundled('recollect-tiny.gguf');
    const expected = await trainedWhole(path);
    const folder = mkdtempSync(join(root, 'build/web-'));
    const web = await servePage(
      '<!doctype html><title>split</title>',
      (file) => join(root, file),
      false,
    );
    const browser = await chromium.launch({
      executablePath: chromiumPath,
      args: chromiumArguments,
    });
    const server = await startServer(path);
    try {
      const { metafile } = await build({
        stdin: { contents: SCRIPT, resolveDir: join(root, 'build') },
        bundle: true,
        format: 'esm',
        conditions: ['browser'],
        logLevel: 'error',
        outfile: join(folder, 'script.js'),
        metafile: true,
      });
      const imported = Object.values(metafile.inputs).flatMap(({ imports }) => imports);
      const foreign = imported.filter(
        ({ path: from }) => /crossws|^node:/.test(from) || builtinModules.includes(from),
      );
      assert.equal(foreign, [], 'nothing of Node');
      const script = `/build/${basename(folder)}/script.js`;
      const page = await browser.newPage();
      await page.goto(web.url);
      await page.addScriptTag({ url: script, type: 'module' });
      const inPage = await page.evaluate(
        (url) => (globalThis as unknown as { train(to: string): Promise<string> }).train(url),
        server.url,
      );
      assert.is(inPage, expected, 'in the page');
      const inWorker = await page.evaluate(
        ([from, url]) =>
          new Promise<string>((resolve, reject) => {
            const worker = new Worker(from, { type: 'module' });
            worker.onmessage = ({ data }) => resolve(data as string);
            worker.onerror = (event) => reject(new Error(event.message));
            worker.postMessage(url);
          }),
        [script, server.url] as const,
      );
      assert.is(inWorker, expected, 'in a worker');
    } finally {
      server.close();
      await browser.close();
      await web.close();
      rmSync(folder, { recursive: true });
    }
  });
  test.run();
}
