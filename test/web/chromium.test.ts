// The package in a real browser: threads where the page is isolated, one thread where it is not,
// the same answer in both.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readDialogues } from '../../src/eval/datasets/registry.ts';
import { loadModel, openConversation, textLogits } from '../../src/index.ts';
import { chromiumArguments, chromiumPath, packageImports, servePage } from '../browser.ts';
import { bundled, fixture } from '../fixtures.ts';
import { skip } from '../skip.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

const PAGE = `<!doctype html><title>recollect</title>
<script type="importmap">${JSON.stringify({ imports: packageImports })}</script>
<script type="module">
import {
  cachedModels, deleteCachedModel, loadModel, openConversation, textLogits,
} from '/build/js/src/index.js';
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
globalThis.logits = async ({ model: file, adapters, text }) => {
  const blobOf = async (path) => (await fetch(path)).blob();
  const found = [];
  for (const { source, config } of adapters) {
    const given = config ? { source: await blobOf(source), config: await blobOf(config) } : { source };
    const model = await loadModel(file, { threads: 1, adapters: [given] });
    found.push((await textLogits(model, text, 3)).top);
    model.dispose();
  }
  return found;
};
globalThis.keep = async ({ text }) => {
  const url = location.origin + '/models/recollect-tiny.gguf';
  const found = [];
  for (const cache of [false, true, true]) {
    const model = await loadModel(url, { threads: 1, cache });
    const { top } = await textLogits(model, text, 3);
    const conversation = openConversation(model, { budget: 300 });
    found.push({ top, cache: model.cache, told: conversation.statistics.modelCache });
    conversation.dispose();
    model.dispose();
  }
  const [{ bytes, complete }] = await cachedModels();
  return JSON.parse(JSON.stringify({ found, bytes, complete, gone: await deleteCachedModel(url) }));
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

  /** What a function of the page gives. */
  async function onPage<T>(isolated: boolean, name: string, argument: object): Promise<T> {
    const server = await servePage(PAGE, fileOf, isolated);
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    try {
      await page.goto(server.url);
      await page
        .waitForFunction(`globalThis.${name}`, undefined, { timeout: 20_000 })
        .catch((cause) => {
          throw new Error(errors.join('; ') || 'the page did not load', { cause });
        });
      return await page.evaluate(
        ([called, given]) =>
          (globalThis as unknown as Record<string, (a: unknown) => Promise<T>>)[called](given),
        [name, argument] as const,
      );
    } finally {
      await page.close();
      await server.close();
    }
  }

  const talk = (
    isolated: boolean,
    threads: number | 'auto',
    pipeline: number | 'auto' = 'auto',
  ): Promise<Talk> => onPage(isolated, 'talk', { threads, pipeline, text, question });

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
  test('adapters by relative URLs and as Blobs, GGUF and PEFT, do what they do in Node', async () => {
    const folder = 'test/fixtures/adapters/llama-f32-r4';
    const adapters = [
      { source: `${folder}.gguf` },
      { source: `${folder}/adapter_model.safetensors?a=b/c` },
      {
        source: `${folder}/adapter_model.safetensors`,
        config: `${folder}/adapter_config.json`,
      },
    ];
    const argument = { model: 'test/fixtures/llama-f32.gguf', adapters, text: 'Hello world' };
    const found = await onPage<unknown[]>(false, 'logits', argument);
    using model = await loadModel(fixture('llama-f32.gguf'), {
      adapters: [join(root, folder)],
      threads: 1,
    });
    const { top } = await textLogits(model, 'Hello world', 3);
    const rounded = (list: unknown) =>
      JSON.stringify(list, (_, x) => (typeof x === 'number' ? Number(x.toFixed(3)) : x));
    for (const list of found) assert.is(rounded(list), rounded(top));
    assert.is(found.length, 3);
  });
  test('a model that is kept is the model', async () => {
    interface Kept {
      readonly top: unknown;
      readonly cache?: { readonly cachedBytes: number; readonly complete: boolean };
      readonly told?: unknown;
    }
    const { found, bytes, complete, gone } = await onPage<{
      readonly found: readonly Kept[];
      readonly bytes: number;
      readonly complete: boolean;
      readonly gone: boolean;
    }>(false, 'keep', { text: 'Hello world' });
    const size = statSync(bundled('recollect-tiny.gguf')).size;
    assert.equal([bytes, complete, gone], [size, true, true]);
    assert.equal(
      found.map(({ cache }) => cache),
      [undefined, ...[0, size].map((cachedBytes) => ({ cachedBytes, complete: true }))],
    );
    for (const { top, cache, told } of found) {
      assert.equal(top, found[0].top);
      assert.equal(told, cache);
    }
  });
  test('threads that cannot be had are refused, and what to do is said', async () => {
    const refused = await talk(false, 2).catch((error: Error) => error.message);
    assert.match(String(refused), /cross-origin isolation/);
  });
  test.run();
}
