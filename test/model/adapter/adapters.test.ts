// Adapters against llama.cpp's figures, in every build; and what changes no bit of them: the file's
// format, threads, workers, how many tokens are forwarded together.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { dequantize } from '../../../src/backend/dequantize.ts';
import { quantize } from '../../../src/backend/quantize.ts';
import { createReferenceBackend } from '../../../src/backend/reference.ts';
import { createWasmBackend } from '../../../src/backend/wasm/backend.ts';
import { type Build, detectBuild } from '../../../src/backend/wasm/builds.ts';
import { textLogits } from '../../../src/engine/logits.ts';
import { type LoadOptions, loadModel } from '../../../src/engine/model.ts';
import { planRun } from '../../../src/engine/plan.ts';
import { Run } from '../../../src/engine/run.ts';
import { workspaceBytes } from '../../../src/model/workspace.ts';
import { fixture, kernelBytes } from '../../fixtures.ts';
import { writeGguf } from '../../gguf-writer.ts';
import { differences } from '../../log-probabilities.ts';
import { planOptions } from '../../plan-options.ts';
import { skip } from '../../skip.ts';
import { sameInAllCuts } from '../cuts.ts';
import { type AdapterCase, adapterCases, adapterFile } from './adapter-fixtures.ts';

/** What the fixtures' README grants. */
function tolerance({ model, name }: AdapterCase): { mean: number; most: number } {
  if (model.includes('q8_0')) return { mean: 0.035, most: 0.2 };
  return { mean: 0.001, most: name.includes('bf16') ? 0.006 : 0.005 };
}

const builds = ['simd', 'relaxed', 'debug'] as const;
for (const build of builds) {
  if (build === 'relaxed' && detectBuild() !== 'relaxed') {
    const why = `Node ${process.version} has no relaxed SIMD, Node 22 has`;
    skip('model/adapter/adapters.test.js', 'adapters in the relaxed-SIMD build', why);
    continue;
  }
  const test = suite(`adapters, ${build}`);
  for (const found of adapterCases) {
    test(found.name, async () => {
      using model = await loadModel(found.model, {
        adapters: found.options,
        build: build === 'debug' ? kernelBytes('debug') : (build as Build),
      });
      assert.is(model.backend.build, build);
      // the debug build is slow
      const text = build === 'debug' ? found.text.slice(0, 20) : found.text;
      const ours = await textLogits(model, text, model.config.vocabulary);
      const top = found.top.slice(0, ours.tokens.length);
      assert.equal(ours.tokens, found.tokens.slice(0, ours.tokens.length));
      const [off, allowed] = [differences(ours, { top }), tolerance(found)];
      const said = `mean ${off.mean}, most ${off.most}; allowed ${JSON.stringify(allowed)}`;
      assert.ok(off.mean <= allowed.mean && off.most <= allowed.most, said);
    });
  }
  test.run();
}

const test = suite('adapters');
const r4 = adapterFile('llama-f32-r4.gguf');
const r8 = adapterFile('llama-f32-r8.gguf');
const llama = fixture('llama-f32.gguf');
const TEXT = 'Hello world, how are you? the quick brown fox jumps over the lazy dog, and sleeps.';

async function logOdds(options: LoadOptions, file = llama, text = TEXT) {
  using model = await loadModel(file, {
    threads: 1,
    activations: 'int16',
    pipeline: 1,
    ...options,
  });
  const { top } = await textLogits(model, text, model.config.vocabulary);
  return { top, bytes: model.bytes, adapters: model.config.adapters };
}

test('GGUF and PEFT give the same bits, threads and workers too', async () => {
  const adapters = [r4];
  const { top } = await logOdds({ adapters });
  assert.equal((await logOdds({ adapters: [adapterFile('llama-f32-r4')] })).top, top, 'PEFT');
  assert.equal((await logOdds({ adapters, threads: 2 })).top, top, 'threads');
  const pipeline = await logOdds({ adapters, pipeline: 2, threads: 'auto' });
  assert.equal(pipeline.top, top, 'pipeline');
  const shared = createWasmBackend({ threads: 2, worthSharing: 0 });
  assert.equal((await logOdds({ adapters, device: shared })).top, top, 'all work shared');
});

test('a token has the same bits alone and in a block', async () => {
  for (const { model: file, options } of adapterCases) {
    using model = await loadModel(file, { adapters: options, threads: 1 });
    await sameInAllCuts(model, 'f16', model.source);
  }
});

test('the reference computes the same', async () => {
  const adapters = [`${r4}:0.5`, { source: r8, scale: -0.75 }];
  const text = TEXT.slice(0, 30);
  const reference = await logOdds({ adapters, device: createReferenceBackend() }, llama, text);
  const ours = await logOdds({ adapters }, llama, text);
  const off = differences({ text, tokens: [], top: ours.top }, reference);
  assert.ok(off.most <= 2e-3, `most ${off.most}`);
});

test('from a path, a file URL, a Blob, bytes, and a data URL', async () => {
  const { top } = await logOdds({ adapters: [r4] });
  const bytes = readFileSync(r4);
  const peft = adapterFile('llama-f32-r4');
  const [model, config] = ['adapter_model.safetensors', 'adapter_config.json'].map((name) =>
    readFileSync(`${peft}/${name}`),
  );
  const sources = [
    { source: new URL(`file://${r4}`) },
    { source: new Blob([bytes]) },
    { source: bytes },
    { source: `data:application/octet-stream;base64,${bytes.toString('base64')}` },
    { source: new URL(`file://${peft}/`) },
    { source: `${peft}/adapter_model.safetensors` },
    { source: new Blob([model]), config: new Blob([config]) },
    { source: model, config },
  ];
  for (const [i, source] of sources.entries())
    assert.equal((await logOdds({ adapters: [source] })).top, top, `source ${i}`);
});

test('scale 0 adds nothing, takes nothing, and is checked', async () => {
  const plain = await logOdds({});
  const none = await logOdds({ adapters: [`${r4}:0`] });
  assert.equal(none.top, plain.top);
  assert.is(none.bytes, plain.bytes);
  assert.equal(
    none.adapters?.map(({ scale, pairs }) => [scale, pairs]),
    [[0, []]],
  );
  assert.is((await logOdds({})).adapters, undefined);
});

test('bytes are those of A and B, and of a room that is promised', async () => {
  const [plain, adapted] = [await logOdds({}), await logOdds({ adapters: [r4] })];
  const panels = (rows: number, columns: number) => 4 * Math.ceil(rows / 8) * 8 * columns;
  using model = await loadModel(llama, { adapters: [r4], threads: 1 });
  const { config, backend } = model;
  const { width: D, feedForward: F, kvHeads, headDim } = config;
  const kv = kvHeads * headDim;
  const pair = (m: number, k: number) => panels(4, k) + panels(m, 4);
  const layer = 2 * pair(D, D) + 2 * pair(kv, D) + 2 * pair(F, D) + pair(D, F);
  assert.is(adapted.bytes - plain.bytes, config.layers * layer);
  const room = workspaceBytes(config, backend, 128, 100);
  const without = workspaceBytes({ ...config, adapters: undefined }, backend, 128, 100);
  assert.is(room - without, 64 * 4 * 4 + 64 * F * 4);
  const before = backend.arena.usedBytes;
  const plan = planRun(
    model.executor,
    planOptions('full', { budget: { tokens: 40 }, blockSize: 32 }),
  );
  const run = new Run(model.executor, plan);
  const used = backend.arena.usedBytes - before;
  assert.ok(used <= plan.promisedBytes + 1024, `${used} used, ${plan.promisedBytes} promised`);
  run.dispose();
  assert.is(backend.arena.usedBytes, before);
});

test('pairs of few bits, which llama.cpp takes too, are what they stand for', async () => {
  const rank = 32; // whole blocks
  const numbers = (count: number) =>
    Float32Array.from({ length: count }, (_, i) => Math.sin(i * i));
  const halves = [
    { name: 'blk.1.attn_v.weight.lora_a', shape: [64, rank] },
    { name: 'blk.1.attn_v.weight.lora_b', shape: [rank, 32] },
  ];
  const stored = halves.map(({ name, shape }) => {
    const [k, m] = shape;
    const data = quantize('q8_0', numbers(k * m));
    const floats = dequantize('q8_0', data, k * m);
    return { name, shape, data, floats: new Uint8Array(floats.buffer) };
  });
  const metadata = {
    'general.architecture': 'llama',
    'general.type': 'adapter',
    'adapter.type': 'lora',
    'adapter.lora.alpha': { f32: 2 },
  };
  const [q8, f32] = [
    writeGguf({ metadata, tensors: stored.map((half) => ({ ...half, type: 8 })) }),
    writeGguf({
      metadata,
      tensors: stored.map((half) => ({ ...half, type: 0, data: half.floats })),
    }),
  ];
  const text = TEXT.slice(0, 30);
  const [plain, few, whole] = [
    await logOdds({}, llama, text),
    await logOdds({ adapters: [{ source: q8 }] }, llama, text),
    await logOdds({ adapters: [{ source: f32 }] }, llama, text),
  ];
  const off = differences({ text, tokens: [], top: few.top }, whole).most;
  assert.ok(off < 1e-2 && off < 0.05 * differences({ text, tokens: [], top: few.top }, plain).most);
});

test('adapters add up in their order, each with its scale', async () => {
  const text = TEXT.slice(0, 30);
  const one = await logOdds({ adapters: [`${r4}:1`] }, llama, text);
  const half = await logOdds({ adapters: [`${r4}:0.5`] }, llama, text);
  const copy = readFileSync(r4);
  const halves = await logOdds(
    { adapters: [`${r4}:0.5`, { source: copy, scale: 0.5 }] },
    llama,
    text,
  );
  assert.ok(differences({ text, tokens: [], top: halves.top }, one).most < 1e-3);
  assert.ok(differences({ text, tokens: [], top: half.top }, one).most > 0.1);
});
test.run();
