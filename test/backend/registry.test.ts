// Which backend runs a model, and that whoever asks for the reference gets the same answers from it.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { backendNames } from '../../src/backend/registry.ts';
import { createReferenceBackend } from '../../src/backend/reference.ts';
import { textLogits } from '../../src/engine/logits.ts';
import { loadModel, type LoadOptions } from '../../src/engine/model.ts';
import { openConversation } from '../../src/session/conversation.ts';
import { machineModel } from '../machine.ts';
import { rejects } from '../rejects.ts';

const test = suite('backends');
const file = machineModel(undefined);
const text = 'the dog Rex is there, he ate 42 blue words. '.repeat(4);

test('a model says what computes and why', async () => {
  const reasons = [
    [{ build: 'simd' }, 'wasm', /a build of its kernels was asked for/],
    [{ device: 'wasm' }, 'wasm', /asked for/],
    [{ device: 'reference' }, 'reference', /asked for/],
    [{ device: createReferenceBackend() }, 'reference', /handed in/],
  ] as const;
  for (const [options, name, reason] of reasons) {
    using model = await loadModel(file, { threads: 1, ...options });
    using conversation = openConversation(model, { budget: 64, blockSize: 16 });
    const { backend, build, backendReason } = conversation.statistics;
    assert.equal([backend, build], [name, name === 'wasm' ? model.backend.build : 'f64']);
    assert.match(backendReason, reason);
  }
  assert.equal(backendNames, ['webgpu', 'wasm', 'reference']);
});

test('the reference gives the log-probabilities of WebAssembly, and keeps the same rows', async () => {
  const answers = [];
  for (const backend of ['wasm', 'reference'] as const) {
    using model = await loadModel(file, { threads: 1, device: backend });
    const { top } = await textLogits(model, text.slice(0, 60), 3);
    const kept: string[] = [];
    for (const policy of ['keydiff', 'snapkv', 'criticalkv', 'h2o'] as const)
      for (const cacheType of ['f16', 'int8'] as const) {
        using conversation = openConversation(model, {
          budget: 32,
          policy,
          blockSize: 24,
          cacheType,
        });
        conversation.onKept = (layer, tokens) =>
          kept.push(
            `${policy} ${cacheType} ${layer}: ${tokens.map((own) => own.join()).join(' | ')}`,
          );
        await conversation.add(text);
        await conversation.flush();
      }
    answers.push({ top, kept });
  }
  const [wasm, reference] = answers;
  wasm.top.forEach((best, t) =>
    best.forEach(([token, p], i) => {
      const [other, q] = reference.top[t][i];
      assert.is(token, other);
      assert.ok(Math.abs(p - q) < 1e-4, `token ${t}: ${p}, ${q}`);
    }),
  );
  assert.ok(wasm.kept.length > 20);
  assert.equal(wasm.kept, reference.kept);
});

test('what a backend cannot do is refused', async () => {
  await rejects(
    loadModel(file, { device: 'gpu' } as unknown as LoadOptions),
    'OptionError',
    /device is 'gpu', expected auto or webgpu or wasm or reference/,
  );
  await rejects(
    loadModel(file, { device: 'reference', pipeline: 2 }),
    'OptionError',
    /workers compute with wasm alone/,
  );
});
test.run();
