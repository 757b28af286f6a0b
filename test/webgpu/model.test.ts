// A model on a device: the tokens that WebAssembly gives, and what that costs, counted.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rowBytes } from '../../src/backend/dtype.ts';
import { FAULT_BYTES } from '../../src/backend/webgpu/faults.ts';
import type { WebgpuBackend } from '../../src/backend/webgpu/backend.ts';
import { decode } from '../../src/engine/decode.ts';
import { everything } from '../../src/engine/everything.ts';
import { loadModel, type Model } from '../../src/engine/model.ts';
import { planRun } from '../../src/engine/plan.ts';
import { prefill } from '../../src/engine/prefill.ts';
import { Run } from '../../src/engine/run.ts';
import { createSampler } from '../../src/engine/sampling/sampler.ts';
import { definePolicy, openConversation } from '../../src/index.ts';
import { bundled, fixture } from '../fixtures.ts';
import { openTestDevice } from '../gpu.ts';
import { rejects } from '../rejects.ts';
import { skip } from '../skip.ts';
import { answerOf } from './answers.ts';
import { agreeing, tokensFor } from './best-tokens.ts';

const tiny = bundled('recollect-tiny.gguf');
const text = readFileSync(bundled('conv-2k.jsonl'), 'utf8');

/** A window, and norms behind; agreement.ts has all. */
const models = ['gemma3-swa-f32'];

const opened = await openTestDevice();
if ('reason' in opened) skip('webgpu/model.test.js', 'a model on a device', opened.reason);
else {
  opened.backend.dispose();
  const test = suite<{ device: Model; wasm: Model }>('webgpu, a model');
  test.before(async (context) => {
    context.device = await loadModel(tiny, { device: 'webgpu' });
    context.wasm = await loadModel(tiny, { device: 'wasm', threads: 1, activations: 'int16' });
  });
  test.after(({ device, wasm }) => {
    device.dispose();
    wasm.dispose();
  });

  test('its most probable tokens are those of WebAssembly', async ({ device, wasm }) => {
    const { same, of } = await agreeing(device, wasm, tokensFor(wasm, 32, text));
    assert.ok(same >= 0.995 * of, `${same} of ${of}`);
  });

  for (const name of models)
    test(`${name}: the same`, async () => {
      using device = await loadModel(fixture(`${name}.gguf`), { device: 'webgpu' });
      using wasm = await loadModel(fixture(`${name}.gguf`), {
        device: 'wasm',
        threads: 1,
        activations: 'int16',
      });
      const { same, of } = await agreeing(device, wasm, tokensFor(wasm, 24));
      assert.ok(same >= of - 1, `${same} of ${of}`);
    });

  test('decoding: dispatches, bytes and objects a token', async ({ device }) => {
    const { layers, kvHeads, headDim, vocabulary, width } = device.config;
    const backend = device.backend as WebgpuBackend;
    const plan = { ...everything, budget: { tokens: 100 }, blockSize: 64 };
    const run = new Run(device.executor, planRun(device.executor, plan));
    const prompt = tokensFor(device, 60, text);
    await prefill(run, prompt.slice(0, 59));
    const sample = createSampler({ temperature: 0.8, topP: 0.9, seed: 1 });
    const how = { sample, endTokens: new Set<number>(), evict: false };
    const reply = async (maxTokens: number) => {
      const before = backend.usage;
      const reply = decode(run, prompt.slice(59), { ...how, maxTokens });
      while (!(await reply.next()).done);
      const after = backend.usage;
      await run.rewind({ token: 59 }, prompt.slice(0, 59));
      return { before, after };
    };
    await reply(9); // all kernels and groups are there
    const short = await reply(5);
    const long = await reply(21);
    const per = (of: (usage: typeof short.before) => number) =>
      (of(long.after) - of(long.before) - (of(short.after) - of(short.before))) / 16;
    assert.ok(per((u) => u.dispatches) <= 7 * layers + 6, `${per((u) => u.dispatches)} dispatches`);
    assert.ok(per((u) => u.submissions) <= 1 / 4, `${per((u) => u.submissions)} submissions`);
    // the tokens, and what tells that something went wrong, once a submission
    const faults = FAULT_BYTES * per((u) => u.reads);
    assert.is(per((u) => u.readBytes) - faults, 4);
    assert.ok(4 * 4 + FAULT_BYTES <= 64);
    assert.equal(long.after.made, short.after.made);
    // a token reads all weights, a row of the embedding and every cached row
    const rows = layers * kvHeads * 2 * rowBytes('f16', headDim) * 72; // on average
    const least = device.bytes + rows;
    const read = per((u) => u.kernelBytes);
    assert.ok(
      read >= 0.9 * least && read <= 1.05 * least,
      `${read} bytes read, weights and rows have ${least} (${vocabulary} x ${width})`,
    );
    run.dispose();
  });

  test('a conversation answers as on WebAssembly', async (models) => {
    // conversations.ts has more of it
    const [found, wanted] = await Promise.all(
      [models.device, models.wasm].map((model) => answerOf(model, { policy: 'keydiff' }, 700)),
    );
    assert.is(found, wanted);
  });

  test('scores that are NaN: told to whose step it was, and to no other', async ({ device }) => {
    const odd = definePolicy({
      name: 'odd',
      summary: 'a policy with a fault',
      score: ({ out, cached }, ops) =>
        ops.rateTokens(out, cached, (token, head) => (head === 1 && token > 6 ? Number.NaN : 0)),
    });
    await using bad = openConversation(device, { budget: 16, blockSize: 16, policy: odd });
    await using good = openConversation(device, { budget: 16, blockSize: 16, policy: 'knorm' });
    const [refused, taken] = await Promise.allSettled([
      bad.add(text.slice(0, 200)),
      good.add(text.slice(0, 200)),
    ]);
    assert.is(taken.status, 'fulfilled');
    const named = /policy 'odd', layer 0: its score is NaN at row 7 of head 1/;
    assert.match((refused as PromiseRejectedResult).reason.message, named);
    await rejects(bad.add(text.slice(200, 300)), 'OptionError', named);
    assert.type(await good.ask('Who?', { maxTokens: 1 }).text(), 'string');
  });
  test.run();
}
