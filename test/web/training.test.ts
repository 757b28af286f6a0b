// A training in a page's worker: the losses of Node, and an adapter that answers there and then.
import { mkdtempSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadModel } from '../../src/engine/model.ts';
import type { TrainOptions } from '../../src/train/options.ts';
import { train } from '../../src/train/train.ts';
import { chromiumArguments, chromiumPath, servePage } from '../browser.ts';
import { bundled } from '../fixtures.ts';
import { skip } from '../skip.ts';
import { recipes } from '../train/recipes.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

/** Trains, loads the model with what came out, and asks. */
const WORKER = `
import { ggufAdapter, loadModel, openConversation, train } from './js/src/index.js';
onmessage = async ({ data: { lines, options, question } }) => {
  try {
    const url = new URL('/models/recollect-tiny.gguf', location.href).href;
    const model = await loadModel(url);
    const { adapter, result } = await train(model, lines, options);
    const source = new Blob(ggufAdapter(adapter, model.config));
    const trained = await loadModel(url, { adapters: [{ source }] });
    const reply = await openConversation(trained, { budget: 300 }).ask(question, { maxTokens: 8 });
    postMessage({ losses: result.losses, reply: await reply.text(), threads: model.backend.threads });
  } catch (error) {
    postMessage({ error: String(error.stack) });
  }
};`;

type Answer = { error?: string; losses: readonly number[]; reply: string };

if (chromiumPath === undefined)
  skip('web/training.test.js', 'training in a browser', 'no Chromium is installed');
else {
  const test = suite('training in Chromium');

  test('a worker trains as Node does, and talks to what it trained', async () => {
    const [makeFacts] = recipes;
    const { lines } = makeFacts();
    const options: TrainOptions = { steps: 12, heldOut: 0, rate: 0.004 };
    const [question, answer] = (
      lines[0] as { messages: readonly { content: string }[] }
    ).messages.map(({ content }) => content);
    using model = await loadModel(bundled('recollect-tiny.gguf'));
    const { result } = await train(model, lines, options);

    const folder = mkdtempSync(join(root, 'build/web-'));
    const server = await servePage(
      '<!doctype html><title>training</title>',
      (path) => join(root, path),
      true,
    );
    const browser = await chromium.launch({
      executablePath: chromiumPath,
      args: chromiumArguments,
    });
    try {
      await build({
        stdin: { contents: WORKER, resolveDir: join(root, 'build') },
        bundle: true,
        format: 'esm',
        conditions: ['browser'],
        logLevel: 'error',
        outfile: join(folder, 'worker.js'),
      });
      const page = await browser.newPage();
      await page.goto(server.url);
      const found = await page.evaluate(
        ([url, message]) =>
          new Promise<Answer>((resolve, reject) => {
            const worker = new Worker(url as string, { type: 'module' });
            worker.onmessage = ({ data }) => resolve(data as Answer);
            worker.onerror = (event) => reject(new Error(event.message));
            worker.postMessage(message);
          }),
        [
          `/build/${basename(folder)}/worker.js`,
          { lines, options: { ...options, steps: 120 }, question },
        ] as const,
      );
      assert.is(found.error, undefined);
      assert.is(found.losses.length, 120);
      // the first steps, whose rates are alike; its kernels may be others than Node's
      assert.ok(Math.abs(found.losses[0] / result.losses[0] - 1) < 1e-3);
      assert.ok(found.losses[119] < 0.3 * found.losses[0], `loss ${found.losses[119]}`);
      assert.is(found.reply.trim(), answer);
    } finally {
      await browser.close();
      await server.close();
      rmSync(folder, { recursive: true });
    }
  });
  test.run();
}
