// Layers in workers: the same tokens, rows and errors as on one thread, more layers than one memory
// holds, and nothing that hangs or is left behind.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isGrouped } from '../../src/backend/dtype.ts';
import { decode } from '../../src/engine/decode.ts';
import { textLogits } from '../../src/engine/logits.ts';
import { loadModel, type Model } from '../../src/engine/model.ts';
import type { PipelineExecutor } from '../../src/engine/pipeline/pipeline.ts';
import { splitEvenly, splitLayers } from '../../src/engine/pipeline/split.ts';
import { planRun } from '../../src/engine/plan.ts';
import type { PlanOptions } from '../../src/engine/plan-options.ts';
import { prefill } from '../../src/engine/prefill.ts';
import { profileModel } from '../../src/engine/profile.ts';
import { Run } from '../../src/engine/run.ts';
import { argmax } from '../../src/engine/sampling/argmax.ts';
import { readDialogues } from '../../src/eval/datasets/registry.ts';
import { createRandom } from '../../src/math/rng.ts';
import { definePolicy } from '../../src/policy/define.ts';
import { findPolicy, policies } from '../../src/policy/registry.ts';
import { openConversation } from '../../src/session/conversation.ts';
import type { ConversationOptions } from '../../src/session/options.ts';
import { bundled, fixture, tinyModel } from '../fixtures.ts';
import { type GgufSpec, smallLlama, type TensorSpec, writeGguf } from '../gguf-writer.ts';
import { planOptions } from '../plan-options.ts';
import { rejects } from '../rejects.ts';
import { stoppedAt } from '../stopped.ts';
import { bytesFrom, stored, tag } from '../stored-bytes.ts';

const test = suite('pipeline');
const TINY = bundled('recollect-tiny.gguf');
const dialogues = readDialogues(readFileSync(bundled('conv-2k.jsonl'), 'utf8'), 'conv-2k.jsonl');
const [dialogue] = dialogues;
const tokensOf = (model: Model, count: number) =>
  dialogues.flatMap((x) => x.turns.flatMap((t) => model.tokenizer.encode(t.line))).slice(0, count);
const optionsOf = (policy: string, change: Partial<PlanOptions> = {}): PlanOptions =>
  planOptions(policy, { budget: { tokens: 96 }, blockSize: 64, ...change });

let split: Promise<Model> | undefined;
/** The bundled model over three workers: 2, 1 and 1 layers. */
const splitModel = () => (split ??= loadModel(TINY, { pipeline: 3 }));
test.after(async () => (await split)?.dispose());

interface Outcome {
  readonly kept: string[];
  readonly reply: number[];
  readonly logits: Uint8Array;
  readonly bytes: number;
}

/** Bit for bit. */
function assertSame(found: Outcome, expected: Outcome, label: string): void {
  const step = expected.kept.findIndex((rows, i) => rows !== found.kept[i]);
  assert.is(step, -1, `${label}: rows kept differ, ${found.kept[step]?.slice(0, 100)}`);
  assert.equal(
    [found.kept.length, found.reply, found.bytes],
    [expected.kept.length, expected.reply, expected.bytes],
    label,
  );
  assert.ok(Buffer.compare(found.logits, expected.logits) === 0, `${label}: log-odds differ`);
}

/** What a run keeps after each of its steps, answers and leaves. */
async function outcomeOf(model: Model, options: PlanOptions, count: number): Promise<Outcome> {
  const run = new Run(model.executor, planRun(model.executor, options));
  const kept: string[] = [];
  run.layers.onKept = (layer, heads) =>
    kept.push(`${layer}: ${heads.map((h) => h.join(' ')).join(' | ')}`);
  try {
    await prefill(run, tokensOf(model, count));
    const reply: number[] = [];
    const prompt = model.tokenizer.encode("<|user|> What is Will's favourite sport?<|assistant|>");
    for await (const token of decode(run, prompt, {
      sample: argmax,
      maxTokens: 8,
      endTokens: new Set(),
      evict: true,
    }))
      reply.push(token);
    await run.step([...reply]);
    const logits = new Uint8Array((await run.logits(reply.length - 1)).slice().buffer);
    assert.ok(
      run.peakBytes <= run.plan.promisedBytes &&
        run.layers.peakCacheBytes <= run.plan.promisedCacheBytes,
    );
    // workers speak of their own layers, in an order of their own
    // (grouped rows have scratch in each stage)
    const bytes = isGrouped(options.rowType) ? 0 : run.layers.cacheBytes;
    return { kept: kept.sort(), reply, logits, bytes };
  } finally {
    run.dispose();
  }
}

test('every policy keeps the same rows and leaves the same log-odds, bit for bit', async () => {
  const [one, three] = [await tinyModel(), await splitModel()];
  assert.is((three.executor as PipelineExecutor).workers.length, 3);
  for (const { name } of policies.filter((p) => p.layers !== 'global')) {
    const options = optionsOf(
      name,
      name === 'full' ? { budget: { tokens: 800 } } : { heads: 'adaptive' },
    );
    assertSame(await outcomeOf(three, options, 500), await outcomeOf(one, options, 500), name);
  }
});

test('so do other row types, shared layers, and positions past the context', async () => {
  const [one, three] = [await tinyModel(), await splitModel()];
  for (const [count, change] of [
    [500, { rowType: 'int4' }],
    [500, { rowType: 'kivi-int4' }],
    [500, { layers: 'pyramid' }],
    [500, { layers: 'sensitivity', sensitivity: [0.9, 0.2, 0.5, 0.7], heads: 'adaptive' }],
    [9000, { budget: { tokens: 200 }, blockSize: 256 }],
    [9000, { budget: { tokens: 200 }, blockSize: 256, rowType: 'int8' }],
    [3000, { budget: { tokens: 200 }, blockSize: 256, positions: 'compact' }],
  ] as const) {
    const options = optionsOf('snapkv', change);
    assertSame(
      await outcomeOf(three, options, count),
      await outcomeOf(one, options, count),
      JSON.stringify(change),
    );
  }
});

test('blocks of any size, asked for without waiting: the same as one after the other', async () => {
  const [one, three] = [await tinyModel(), await splitModel()];
  const all = tokensOf(one, 1200);
  const names = policies.filter((p) => p.evicts && p.layers !== 'global').map((p) => p.name);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...names),
      fc.integer({ min: 1, max: 150 }),
      fc.array(fc.tuple(fc.integer({ min: 1, max: 64 }), fc.boolean()), {
        minLength: 4,
        maxLength: 12,
      }),
      async (policy, tokens, blocks) => {
        const found = await Promise.all(
          [one, three].map(async (model) => {
            const run = new Run(
              model.executor,
              planRun(model.executor, optionsOf(policy, { budget: { tokens } })),
            );
            let at = 0;
            const asked: Promise<void>[] = [];
            for (const [size, plain] of blocks) {
              const block = all.slice(at, (at += size));
              asked.push(plain ? run.append(block) : run.step(block));
            }
            await Promise.all(asked);
            const state = [
              run.token,
              run.position,
              ...run.ledger.rows,
              run.ledger.room,
              ...(await run.logits(blocks.at(-1)![0] - 1)),
            ];
            run.dispose();
            return state;
          }),
        );
        assert.equal(found[1], found[0]);
      },
    ),
    { numRuns: 40 },
  );
});

test('models of every architecture, tied or not, with factors and biases, split in two', async () => {
  const floats = ['llama-untied-f32', 'llama3-ropefreqs-f32', 'qwen2-f32', 'qwen3-f32'];
  for (const name of ['llama-q8_0', 'llama-q6_k', ...floats]) {
    using one = await loadModel(fixture(`${name}.gguf`), { threads: 1 });
    using two = await loadModel(fixture(`${name}.gguf`), { pipeline: 2 });
    const text = 'Mia: My dog is called Rex.';
    assert.equal(await textLogits(two, text, 20), await textLogits(one, text, 20), name);
    assert.is(two.bytes, one.bytes);
  }
});

test('conversations answer alike: episodes, their union, recall, the model as embedder', async () => {
  const lines = dialogue.turns.map((t) => t.line);
  const ask = async (model: Model, options: ConversationOptions) => {
    await using conversation = openConversation(model, options);
    await conversation.add(lines);
    const answers: string[] = [];
    for (const { question } of dialogue.questions.slice(0, 3))
      answers.push(await conversation.ask(question, { keep: false, maxTokens: 8 }).text());
    answers.push(
      await conversation.ask('Hello?', { maxTokens: 8 }).text(),
      await conversation.ask('And then?', { maxTokens: 8 }).text(),
    );
    const { memory, statistics } = conversation;
    assert.ok(memory.peakBytes <= memory.promisedBytes, JSON.stringify(memory));
    return {
      answers,
      tokens: statistics.tokens,
      from: statistics.answeredFrom,
      recalled: statistics.recalledTokens,
      cache: memory.cacheBytes,
    };
  };
  const [one, three] = [await tinyModel(), await splitModel()];
  for (const options of [
    { budget: 300, policy: 'epicache', episodes: { count: 4, answerFrom: 2 } },
    { budget: 300, policy: 'epicache', episodes: { count: 3, answerFrom: 1, embedder: 'model' } },
    { budget: 300, policy: 'keydiff', recall: 100 },
    { budget: 200, policy: 'kvzip', blockSize: 100 },
  ] as const)
    assert.equal(await ask(three, options), await ask(one, options), JSON.stringify(options));
});

test('an abort lets what is under way arrive; nothing is lost, and the conversation goes on', async () => {
  const model = await splitModel();
  const tokens = tokensOf(model, 640);
  const run = new Run(model.executor, planRun(model.executor, optionsOf('snapkv')));
  await stoppedAt(128, run, tokens);
  const { token } = run;
  assert.ok(token >= 128 && token < 640 && token % 64 === 0, String(token));
  await prefill(run, tokens.slice(token));
  const logits = [...(await run.logits(63))];
  run.dispose();
  const whole = new Run(model.executor, planRun(model.executor, optionsOf('snapkv')));
  await prefill(whole, tokens);
  assert.equal(logits, [...(await whole.logits(63))]);
  whole.dispose();
});

test('conversations on the same workers do not disturb one another', async () => {
  const model = await splitModel();
  const alone = await outcomeOf(model, optionsOf('keydiff'), 400);
  const both = await Promise.all([
    outcomeOf(model, optionsOf('keydiff'), 400),
    outcomeOf(model, optionsOf('kvzip'), 300),
    outcomeOf(model, optionsOf('keydiff'), 400),
  ]);
  assertSame(both[0], alone, 'first');
  assertSame(both[2], alone, 'third');
});

test('a worker that dies is an error of everything under way and after, not a hang', async () => {
  const model = await loadModel(TINY, { pipeline: 2 });
  const conversation = openConversation(model, { budget: 200, policy: 'snapkv' });
  const adding = conversation.add(dialogue.turns.map((t) => t.line));
  await conversation.memory;
  (model.executor as PipelineExecutor).workers[1].terminate();
  await rejects(adding, 'DeviceError', /worker 2 of 2 stopped.*load the model again/);
  await rejects(conversation.flush(), 'DeviceError', /worker 2 of 2 stopped/);
  await rejects(conversation.ask('Hello?').text(), 'DeviceError', /worker 2 of 2 stopped/);
  conversation.dispose();
  model.dispose();
});

test('a model that is disposed of says so to those who wait', async () => {
  const model = await loadModel(TINY, { pipeline: 2 });
  const run = new Run(model.executor, planRun(model.executor, optionsOf('snapkv')));
  const waiting = prefill(run, tokensOf(model, 640));
  model.dispose();
  await rejects(waiting, 'DeviceError', /disposed of/);
  run.dispose();
});

/** 8 layers of 4 MiB in f32. */
function largeModel(): GgufSpec {
  const [D, F, layers] = [256, 1024, 8];
  const random = createRandom(7);
  const floats = (n: number, scale: number, mean = 0) =>
    new Uint8Array(Float32Array.from({ length: n }, () => mean + (random() - 0.5) * scale).buffer);
  const matrix = (name: string, rows: number, columns: number): TensorSpec => ({
    name,
    shape: [columns, rows],
    type: 0,
    data: floats(rows * columns, 3 / Math.sqrt(columns)),
  });
  const vector = (name: string): TensorSpec => ({
    name,
    shape: [D],
    type: 0,
    data: floats(D, 0.2, 1),
  });
  const metadata = {
    'llama.context_length': 512,
    'llama.embedding_length': D,
    'llama.block_count': layers,
    'llama.feed_forward_length': F,
    'llama.attention.head_count': 4,
    'llama.attention.head_count_kv': 2,
    'llama.rope.dimension_count': 64,
  };
  return smallLlama({
    metadata,
    tensors: (before) => [
      matrix(
        'token_embd.weight',
        Number(before.find((t) => t.name === 'token_embd.weight')!.shape[1]),
        D,
      ),
      vector('output_norm.weight'),
      ...Array.from({ length: layers }, (_, i) => `blk.${i}.`).flatMap((at) => [
        vector(`${at}attn_norm.weight`),
        vector(`${at}ffn_norm.weight`),
        matrix(`${at}attn_q.weight`, D, D),
        matrix(`${at}attn_k.weight`, D / 2, D),
        matrix(`${at}attn_v.weight`, D / 2, D),
        matrix(`${at}attn_output.weight`, D, D),
        matrix(`${at}ffn_gate.weight`, F, D),
        matrix(`${at}ffn_up.weight`, F, D),
        matrix(`${at}ffn_down.weight`, D, F),
      ]),
    ],
  });
}

test('a model larger than one memory is split until its parts fit, and answers as it does in a larger one', async () => {
  const file = writeGguf(largeModel());
  assert.ok(file.length > 28 * 2 ** 20);
  await rejects(
    loadModel(file, { memoryLimit: '16MB', pipeline: 1 }),
    'DeviceError',
    /no room for.*one wasm memory holds 16.0 MB/,
  );
  await rejects(
    loadModel(file, { memoryLimit: '4MB' }),
    'DeviceError',
    /one wasm memory has for weights.*smaller model/,
  );
  using whole = await loadModel(file, { threads: 1 });
  using parts = await loadModel(file, { memoryLimit: '16MB' });
  const { layerRanges } = parts.executor;
  assert.ok(layerRanges.length >= 3 && layerRanges.length < 8, JSON.stringify(layerRanges));
  const options = optionsOf('snapkv');
  const run = (model: Model) => outcomeOf(model, options, 300);
  assertSame(await run(parts), await run(whole), 'parts');

  // a conversation that takes more than a worker has left is refused by the first operation, and
  // the next one is not harmed
  const large = openConversation(parts, { budget: 8000, policy: 'full', blockSize: 64 });
  await rejects(large.add('Hello there'.repeat(20)), 'DeviceError', /no room for/);
  await rejects(large.ask('Hello?', { template: false }).text(), 'DeviceError', /no room for/);
  large.dispose();
  assertSame(await run(parts), await run(whole), 'parts');
});

test('a block that is refused is the last: none behind it takes its place', async () => {
  const model = await splitModel();
  const { contextLength } = model.config;
  const run = new Run(
    model.executor,
    planRun(model.executor, optionsOf('keydiff', { positions: 'original', blockSize: 60 })),
  );
  const tokens = tokensOf(model, contextLength + 70);
  const whole = Math.floor(contextLength / 60) * 60;
  for (const from of [0, whole]) {
    await rejects(
      prefill(run, [...tokens, ...tokens].slice(from, whole + 60 + 6)),
      'ContextError',
      /beyond the model's context/,
    );
    assert.is(run.token, whole);
  }
  run.dispose();
});

test('a stored state that was damaged is refused, and the run can begin again', async () => {
  const model = await splitModel();
  const run = new Run(model.executor, planRun(model.executor, optionsOf('keydiff')));
  const tokens = tokensOf(model, 300);
  await prefill(run, tokens);
  const bytes = await bytesFrom((out) => run.save(tag, out));
  const before = [...(await run.logits(run.token - 256 - 1))];
  for (const damage of [
    bytes.slice(0, bytes.length - 9),
    bytes.slice(0, 5),
    new Uint8Array(0),
    bytes.map((b, i) => (i === bytes.length >> 1 ? b ^ 1 : b)),
  ])
    await rejects(run.restore(stored(damage), tokens), 'StoreError', /saved: .*delete the store/);
  await run.restore(stored(bytes), tokens);
  assert.is(run.token, 300);
  await run.clear();
  await prefill(run, tokens);
  assert.equal([...(await run.logits(run.token - 256 - 1))], before);
  run.dispose();
});

test('what workers cannot do is refused, and what to do is said', async () => {
  const model = await splitModel();
  assert.throws(
    () => openConversation(model, { budget: 200, policy: 'layer-defensivekv' }),
    /'global'.*3 workers.*pipeline: 1/,
  );
  const own = definePolicy({
    name: 'mine',
    summary: 'a formula',
    score: ({ out, cached }, ops) => ops.rateTokens(out, cached, (token) => token),
  });
  assert.throws(
    () => openConversation(model, { budget: 200, policy: own }),
    /'mine'.*workers cannot be sent.*pipeline: 1/,
  );
  const composed = definePolicy({ ...findPolicy('snapkv'), name: 'mine', pool: 7 });
  openConversation(model, { budget: 200, policy: composed }).dispose();
  await rejects(
    profileModel(model, 'word '.repeat(200)),
    'UnsupportedError',
    /3 workers.*pipeline: 1/,
  );
  for (const pipeline of [0, 5, 1.5, Number.NaN])
    await rejects(
      loadModel(TINY, { pipeline }),
      'OptionError',
      /from 1 to the model's (4 )?layers/,
    );
  await rejects(loadModel(TINY, { pipeline: 2, threads: 2 }), 'OptionError', /choose one/);
  await rejects(loadModel(TINY, { memoryLimit: 'much' }), 'OptionError', /'much'.*'2GB'/);
});

test('a file that is cut off, and a load that is aborted, leave no worker', async () => {
  const whole = readFileSync(TINY);
  await rejects(
    loadModel(whole.subarray(0, whole.length - 1000), { pipeline: 2 }),
    'ModelFormatError',
    /cut off|ends/,
  );
  const abort = new AbortController();
  const reason = new Error('enough');
  await loadModel(TINY, {
    pipeline: 2,
    signal: abort.signal,
    onProgress: () => abort.abort(reason),
  }).then(
    () => assert.unreachable(),
    (error) => assert.is(error, reason),
  );
});

test('layers are cut evenly, and split where nobody says only when it is needed', () => {
  assert.equal(
    splitEvenly(30, 2).map((r) => r.end - r.first),
    [15, 15],
  );
  assert.equal(splitEvenly(7, 3), [
    { first: 0, end: 3 },
    { first: 3, end: 5 },
    { first: 5, end: 7 },
  ]);
  const config = { layers: 4 } as Model['config'];
  const tensors = Array.from(
    { length: 4 },
    (_, i) =>
      ({ name: `blk.${i}.ffn_up.weight`, byteLength: 100 }) as Parameters<
        typeof splitLayers
      >[0][number],
  );
  assert.is(splitLayers(tensors, config, { limitBytes: 1000 }).length, 1);
  assert.is(splitLayers(tensors, config, { limitBytes: 300 }).length, 2);
  assert.is(splitLayers(tensors, config, { limitBytes: 115 }).length, 4);
});

test('a process with a split model that nobody disposed of ends by itself', async () => {
  const index = new URL('../../src/index.js', import.meta.url).href;
  const code = `
    import { loadModel, openConversation } from '${index}';
    const model = await loadModel(${JSON.stringify(TINY)}, { pipeline: 2 });
    const conversation = openConversation(model, { budget: 200 });
    console.log((await conversation.ask('Hello?', { maxTokens: 2 }).text()).length > 0);`;
  const folder = mkdtempSync(join(tmpdir(), 'recollect-'));
  const script = join(folder, 'ends.mjs');
  writeFileSync(script, code);
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (data) => (output += String(data)));
  const timer = setTimeout(() => child.kill(), 600_000);
  const ended = await new Promise((done) =>
    child.on('exit', (status, signal) => done(signal ?? status)),
  );
  clearTimeout(timer);
  rmSync(folder, { recursive: true });
  assert.is(ended, 0);
  assert.is(output.trim(), 'true');
});

test('what workers run names files by relative paths only, so that a page without a bundler can start them', () => {
  const seen = new Set<string>();
  const visit = (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const [, name] of readFileSync(path, 'utf8').matchAll(
      /^(?:import|export)\b[^;]*?from '([^']+)'/gm,
    )) {
      assert.match(name, /^\.\.?\//, `${path} imports ${name}`);
      visit(resolve(dirname(path), name));
    }
  };
  for (const script of ['engine/pipeline/worker.js', 'backend/wasm/thread.js'])
    visit(fileURLToPath(new URL(`../../src/${script}`, import.meta.url)));
  assert.ok(seen.size > 30);
});
test.run();
