// The package in a real browser: threads where the page is isolated, one thread where it is not,
// the same answer in both.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readDialogues } from '../../src/eval/datasets/registry.ts';
import { loadModel, openConversation } from '../../src/index.ts';
import { chromiumArguments, chromiumPath, servePage } from '../browser.ts';
import { bundled } from '../fixtures.ts';
import { skip } from '../skip.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

/** What a page needs without a bundler: where bare names lie. */
const imports = {
  '#runtime': '/build/js/src/runtime/web.js',
  '#kernels/': '/build/kernels/',
  '#kernels/simd.bytes': '/build/kernels/simd.bytes.js',
  '#kernels/relaxed.bytes': '/build/kernels/relaxed.bytes.js',
  '#workers/thread.text': '/build/workers/thread.text.js',
  '#workers/layers.text': '/build/workers/layers.text.js',
  '@assemblyscript/loader': '/node_modules/@assemblyscript/loader/index.js',
  '@huggingface/jinja': '/node_modules/@huggingface/jinja/dist/index.js',
  stemmer: '/node_modules/stemmer/index.js',
};
const PAGE = `<!doctype html><title>recollect</title>
<script type="importmap">${JSON.stringify({ imports })}</script>
<script type="module">
import { loadModel, openConversation } from '/build/js/src/index.js';
globalThis.talk = async ({ threads, pipeline, text, question }) => {
  const model = await loadModel(location.origin + '/models/recollect-tiny.gguf', { threads, pipeline });
  const conversation = openConversation(model, { budget: 300, policy: 'keydiff' });
  await conversation.add(text);
  const reply = await conversation.ask(question, { maxTokens: 8 }).text();
  const workers = (model.backend.team ?? model.executor).workers?.length ?? 0;
  const found = { reply, workers, threads: model.backend.threads, isolated: crossOriginIsolated };
  conversation.dispose();
  model.dispose();
  return found;
};
</script>`;
/** A file of the package. */
const fileOf = (path: string) => {
  const file = join(root, path);
  return file.startsWith(root) ? file : undefined;
};

interface Talk {
  readonly reply: string;
  readonly workers: number;
  readonly threads: number;
  readonly isolated: boolean;
}

if (chromiumPath === undefined)
  skip('web/chromium.test.js', 'the package in a browser', 'no Chromium is installed');
else {
  const test = suite('Chromium');
  const [dialogue] = readDialogues(readFileSync(bundled('conv-2k.jsonl'), 'utf8'), 'conv-2k.jsonl');
  const text = dialogue.turns.map((t) => t.line).join('');
  const { question } = dialogue.questions[0];
  let browser: Browser;
  test.before(async () => {
    browser = await chromium.launch({ executablePath: chromiumPath, args: chromiumArguments });
  });
  test.after(() => browser.close());

  async function talk(
    isolated: boolean,
    threads: number | 'auto',
    pipeline: number | 'auto' = 'auto',
  ): Promise<Talk> {
    const server = await servePage(PAGE, fileOf, isolated);
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    try {
      await page.goto(server.url);
      await page
        .waitForFunction('globalThis.talk', undefined, { timeout: 20_000 })
        .catch((cause) => {
          throw new Error(errors.join('; ') || 'the page did not load', { cause });
        });
      const argument = { threads, pipeline, text, question };
      return await page.evaluate(
        (a) => (globalThis as unknown as { talk(a: object): Promise<Talk> }).talk(a),
        argument,
      );
    } finally {
      await page.close();
      await server.close();
    }
  }

  test('an isolated page shares the work among threads, another does it alone or in workers that own layers, and all answer as Node does', async () => {
    using model = await loadModel(bundled('recollect-tiny.gguf'), { threads: 1 });
    const conversation = openConversation(model, { budget: 300, policy: 'keydiff' });
    await conversation.add(text);
    const reply = await conversation.ask(question, { maxTokens: 8 }).text();
    conversation.dispose();
    const shared = await talk(true, 2);
    assert.equal(shared, { reply, workers: 1, threads: 2, isolated: true });
    const alone = await talk(false, 'auto');
    assert.equal(alone, { reply, workers: 0, threads: 1, isolated: false });
    const split = await talk(false, 'auto', 2);
    assert.equal(split, { reply, workers: 2, threads: 1, isolated: false });
  });
  test('threads that cannot be had are refused, and what to do is said', async () => {
    const refused = await talk(false, 2).catch((error: Error) => error.message);
    assert.match(String(refused), /cross-origin isolation/);
  });
  test.run();
}
