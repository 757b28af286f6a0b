// The device in Chromium, in a page and in its worker, isolated or not: the answers of Node.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type Browser, chromium } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadModel, openConversation } from '../../src/index.ts';
import { readDialogues } from '../../src/eval/datasets/registry.ts';
import { chromiumArguments, chromiumPath, servePage, softwareGpu } from '../browser.ts';
import { bundled } from '../fixtures.ts';
import { skip } from '../skip.ts';
import type { Asked, Told } from './webgpu-talk.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

if (chromiumPath === undefined)
  skip('web/webgpu.test.js', 'a device in a browser', 'no Chromium is installed');
else {
  const test = suite('WebGPU in Chromium');
  const folder = mkdtempSync(join(root, 'build/web-'));
  const script = `/build/${basename(folder)}/talk.js`;
  let browser: Browser;
  test.before(async () => {
    await build({
      entryPoints: [join(root, 'build/js/test/web/webgpu-talk.js')],
      bundle: true,
      format: 'esm',
      conditions: ['browser'],
      logLevel: 'error',
      outfile: join(folder, 'talk.js'),
    });
    browser = await chromium.launch({
      executablePath: chromiumPath,
      args: [...chromiumArguments, ...softwareGpu],
    });
  });
  test.after(async () => {
    await browser.close();
    rmSync(folder, { recursive: true });
  });

  const [dialogue] = readDialogues(readFileSync(bundled('conv-2k.jsonl'), 'utf8'), 'conv-2k.jsonl');
  const text = dialogue.turns
    .slice(0, 30)
    .map((turn) => turn.line)
    .join('');
  const { question } = dialogue.questions[0];

  async function told(inWorker: boolean, isolated: boolean, asked: Partial<Asked> = {}) {
    const html = `<!doctype html><script type="module" src="${script}"></script>`;
    const server = await servePage(html, (path) => join(root, path), isolated);
    const page = await browser.newPage();
    try {
      await page.goto(server.url);
      await page.waitForFunction('globalThis.talk');
      const model = `${server.url}models/recollect-tiny.gguf`;
      const message: Asked = { model, device: 'webgpu', text, question, ...asked };
      return await page.evaluate(
        async ([url, inside, given]) => {
          const { talk } = globalThis as unknown as { talk(asked: unknown): Promise<Told> };
          if (!inside) return talk(given);
          const worker = new Worker(url as string, { type: 'module' });
          return new Promise<Told>((resolve, reject) => {
            worker.onmessage = ({ data }) =>
              data.error ? reject(new Error(data.error)) : resolve(data as Told);
            worker.onerror = (event) => reject(new Error(event.message));
            worker.postMessage(given);
          });
        },
        [script, inWorker, message] as const,
      );
    } finally {
      await page.close();
      await server.close();
    }
  }

  test('a page and its worker answer as Node does', async () => {
    using model = await loadModel(bundled('recollect-tiny.gguf'), { device: 'wasm', threads: 1 });
    const options = { budget: 200, policy: 'keydiff', blockSize: 64 } as const;
    const conversation = openConversation(model, options);
    await conversation.add(text);
    const reply = await conversation.ask(question, { maxTokens: 8 }).text();
    conversation.dispose();
    for (const inWorker of [false, true]) {
      const found = await told(inWorker, inWorker);
      assert.is(found.reply, reply);
      assert.is(found.backend, 'webgpu');
      assert.is(found.isolated, inWorker);
    }
  });

  test('auto leaves a device in software alone, and says so', async () => {
    const { backend, reason } = await told(false, false, { device: 'auto', text: 'Mia: Hello.\n' });
    assert.is(backend, 'wasm');
    assert.match(reason, /WebGPU is left/);
  });

  test.run();
}
