// A conversation's options: whatever is passed, it is taken for what it is or refused with an error
// of ours, and nothing stays reserved.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { describeValue } from '../../src/arguments.ts';
import { textLogits } from '../../src/engine/logits.ts';
import { type LoadOptions, loadModel, type Model } from '../../src/engine/model.ts';
import { profileModel } from '../../src/engine/profile.ts';
import { RecollectError } from '../../src/errors.ts';
import { readDialogues } from '../../src/eval/datasets/registry.ts';
import { evaluate } from '../../src/eval/evaluate.ts';
import { findPolicy } from '../../src/policy/registry.ts';
import { type ConversationOptions, episodeTable } from '../../src/session/options.ts';
import { readOptions } from '../../src/session/settings.ts';
import { openConversation } from '../../src/session/conversation.ts';
import { tinyModel } from '../fixtures.ts';
import { rejects } from '../rejects.ts';
import { type MetadataValue, smallLlama, type TensorSpec, writeGguf } from '../gguf-writer.ts';

const test = suite('options');
const read = async (options: unknown, model?: Model) =>
  readOptions(options as ConversationOptions, model ?? (await tinyModel()));
const refused = async (options: unknown, pattern: RegExp) => {
  const model = await tinyModel();
  assert.throws(
    () => openConversation(model, options as ConversationOptions),
    (e: Error) => e.name === 'OptionError' && pattern.test(e.message),
    String(pattern),
  );
};

const anything: unknown[] = [
  undefined,
  null,
  true,
  false,
  0,
  -1,
  -0,
  0.5,
  1e300,
  Number.NaN,
  Number.NEGATIVE_INFINITY,
  7n,
  '',
  'x',
  '12 parsecs',
  '__proto__',
  'x'.repeat(10000),
  Symbol('s'),
  () => 1,
  class {},
  [],
  [1],
  [[1]],
  {},
  Object.create(null),
  { toString: null, valueOf: null },
  {
    valueOf() {
      return 5;
    },
  },
  new Date(),
  /x/,
  new Map([[1, 2]]),
  new Uint8Array(4),
  new Error('x'),
  Promise.resolve(5),
];
const topLevel: Record<keyof ConversationOptions, true> = {
  budget: true,
  blockSize: true,
  policy: true,
  heads: true,
  layers: true,
  sensitivity: true,
  alpha: true,
  sinks: true,
  safeguard: true,
  cacheType: true,
  positions: true,
  promptTokens: true,
  instructions: true,
  episodes: true,
  recall: true,
  tools: true,
  templateVariables: true,
  seed: true,
  observe: true,
  window: true,
  aggregate: true,
  pool: true,
  value: true,
  stages: true,
};

const episodeNames = Object.keys(episodeTable);

test('any value in any place is taken or refused, never a foreign error', async () => {
  const model = await tinyModel();
  const before = model.backend.arena.usedBytes;
  const places: ((value: unknown) => unknown)[] = [
    (value) => value,
    ...Object.keys(topLevel).map((name) => (value: unknown) => ({
      budget: 64,
      policy: name === 'promptTokens' ? 'epicache' : 'snapkv',
      [name]: value,
    })),
    ...[...episodeNames, 'cout'].map((name) => (value: unknown) => ({
      budget: 64,
      policy: 'epicache',
      episodes: { [name]: value },
    })),
    ...['repeat', 'summary', 'episode', 'other'].map((name) => (value: unknown) => ({
      budget: 64,
      policy: 'kvzip',
      instructions: { [name]: value },
    })),
    ...['observe', 'protect', 'pool', 'score', 'name'].map((name) => (value: unknown) => ({
      budget: 64,
      policy: { ...findPolicy('snapkv'), [name]: value },
    })),
    (value) => ({ budget: 64, layers: 'sensitivity', sensitivity: [value, 1, 1, 1] }),
  ];
  for (const place of places) {
    for (const value of anything) {
      try {
        readOptions(place(value) as ConversationOptions, model);
      } catch (error) {
        assert.instance(error, RecollectError, (error as Error).stack);
        assert.ok((error as Error).message.length < 600, (error as Error).message);
      }
    }
  }
  assert.is(model.backend.arena.usedBytes, before);
});

test('so it is where a model is loaded', async () => {
  const file = writeGguf(smallLlama());
  const names = ['build', 'threads', 'pipeline', 'memoryLimit', 'backend', 'signal'];
  for (const name of names) {
    for (const value of anything.filter((v) => v !== undefined)) {
      try {
        (await loadModel(file, { threads: 1, [name]: value } as LoadOptions)).dispose();
      } catch (error) {
        assert.instance(error, RecollectError, `${name}: ${describeValue(value)}: ${error}`);
        continue;
      }
      const isTaken = { threads: [1], pipeline: [1] };
      assert.ok(
        (isTaken as Record<string, unknown[]>)[name]?.includes(value) ||
          (name === 'memoryLimit' && value === 1e300) ||
          (name === 'build' && value instanceof Uint8Array),
        `${name}: ${describeValue(value)} was taken`,
      );
    }
  }
});

test('what is no model is refused, and a promise of one by name', async () => {
  const text = 'Mia: hi. '.repeat(40);
  const uses: ((model: Model) => unknown)[] = [
    (model) => openConversation(model, { budget: 64 }),
    (model) => textLogits(model, text, 2),
    (model) => profileModel(model, text),
    (model) => evaluate(model, [], { policy: 'knorm', budget: { tokens: 64 }, options: {} }),
  ];
  for (const use of uses) {
    for (const value of anything)
      await rejects(
        (async () => use(value as Model))(),
        'OptionError',
        value instanceof Promise ? /the model is a promise.*await loadModel/ : /the model is /,
      );
  }
  const model = await tinyModel();
  await rejects(textLogits(model, 5 as never, 2), 'OptionError', /text is 5, expected a text/);
  await rejects(textLogits(model, text, '2' as never), 'OptionError', /top is '2', expected/);
  await rejects(
    evaluate(model, 5 as never, {} as never),
    'OptionError',
    /dialogues is 5, expected what readDialogues/,
  );
  await rejects(
    evaluate(model, [], { policy: 'knorm', budget: { tokens: 64 }, options: {} }),
    'OptionError',
    /dialogues is an array of 0, expected what readDialogues/,
  );
  assert.throws(() => readDialogues(5 as never, 'x'), /text is 5, expected a text/);
});

test('null is no value for an option of a question', async () => {
  const model = await tinyModel();
  const c = openConversation(model, { budget: 64, blockSize: 32 });
  for (const name of ['maxTokens', 'keep', 'template'])
    await rejects(
      (async () => c.ask('x?', { [name]: null }).text())(),
      'OptionError',
      new RegExp(`${name} is null`),
    );
  c.dispose();
});

test('each kind is refused as what it is', async () => {
  await refused(null, /^openConversation: options are null/);
  await refused({ budget: 64, policy: null }, /^policy is null, expected a name/);
  await refused({ budget: 64, policy: 'snapkw' }, /no policy 'snapkw' \(did you mean snapkv\?\)/);
  await refused({ budget: 64, policy: { ...findPolicy('defensivekv'), pool: 65 } }, /pool is 65/);
  await refused(
    { budget: 64, episodes: null },
    /^episodes is null, expected a number, 'auto' or an object/,
  );
  await refused({ budget: 64, episodes: 'many' }, /^episodes is 'many'/);
  await refused(
    { budget: 64, episodes: { cout: 3 } },
    /^episodes: no option 'cout' \(did you mean count\?\)/,
  );
  await refused({ budget: 64, episodes: { store: 5 } }, /^episodes.store is 5, expected a text/);
  await refused({ budget: 64, episodes: { store: '' } }, /^episodes.store is empty/);
  await refused(
    { budget: 64, episodes: { embedder: {} } },
    /no embedder an object; there are lexical/,
  );
  await refused({ budget: 64, instructions: null }, /^instructions: options are null/);
  await refused(
    { budget: 64, instructions: { summry: 'x' } },
    /^instructions: no option 'summry' \(did you mean summary\?\)/,
  );
  await refused({ budget: 64, instructions: { summary: 5 } }, /^instructions.summary is 5/);
  await refused({ budget: 64, sensitivity: [1, 2, Number.NaN, 4] }, /^sensitivity\[2\] is NaN/);
  await refused({ budget: 64, sensitivity: 'high' }, /^sensitivity is 'high', expected a list/);
  for (const name of Object.keys(topLevel))
    await refused(
      { budget: 64, policy: 'snapkv', [name]: null },
      new RegExp(`^${name}.* (is|are)? ?null`),
    );
  for (const name of episodeNames)
    await refused(
      { budget: 64, episodes: { [name]: null } },
      new RegExp(`^episodes.*${name}.* null`),
    );
  await refused({ budget: 64, promptTokens: 0 }, /^promptTokens is 0/);
  await refused({ budget: 64, blockSize: '64' }, /^blockSize is '64', expected a whole number/);
  await refused({ budget: 64, seed: 2 ** 32 }, /^seed is 4294967296/);
  for (const budget of [
    Number.NaN,
    -1,
    0,
    1.5,
    '',
    ' ',
    '12 parsecs',
    '-5',
    '9'.repeat(400),
    `${'9'.repeat(400)}GB`,
    1n,
    null,
    {},
    [],
    true,
    Object.create(null),
    Symbol('s'),
  ])
    await refused({ budget }, /^budget .*expected/);
});

test('options may be inherited, frozen, without a prototype, or computed once', async () => {
  const defaults = { budget: 64, blockSize: 32 };
  assert.is((await read(Object.create(defaults))).plan.blockSize, 32);
  assert.is(
    (await read(Object.freeze(Object.assign(Object.create(null), defaults)))).plan.blockSize,
    32,
  );
  let reads = 0;
  const turning = {
    budget: 64,
    get blockSize() {
      return reads++ === 0 ? 32 : Number.NaN;
    },
  };
  assert.is((await read(turning)).plan.blockSize, 32);
  assert.is(reads, 1);
  await refused(
    Object.create({ budget: 64, blokSize: 1 }),
    /no option 'blokSize' \(did you mean blockSize\?\)/,
  );
});

/** A model of one layer with heads of `d`. */
function wideModel(d: number): Promise<Model> {
  const [D, heads] = [8, 2];
  const metadata: Record<string, MetadataValue> = {
    'llama.attention.key_length': d,
    'llama.attention.value_length': d,
    'llama.rope.dimension_count': 8,
  };
  const shapes: Record<string, number[]> = {
    attn_q: [D, heads * d],
    attn_k: [D, d],
    attn_v: [D, d],
    attn_output: [heads * d, D],
  };
  const tensors = (specs: TensorSpec[]) =>
    specs.map((spec) => {
      const shape = shapes[spec.name.split('.')[2]];
      if (!shape || !spec.name.endsWith('.weight')) return spec;
      const numbers = Float32Array.from(
        { length: shape[0] * shape[1] },
        (_, i) => Math.sin(i) / 10,
      );
      return { ...spec, shape, data: new Uint8Array(numbers.buffer) };
    });
  return loadModel(writeGguf(smallLlama({ metadata, tensors })), { threads: 1 });
}

test('what this model’s kernels cannot do is refused when the conversation opens', async () => {
  using wide = await wideModel(520);
  const options = { budget: 16, blockSize: 8 } as const;
  const before = wide.backend.arena.usedBytes;
  for (const policy of ['defensivekv', 'criticalkv', 'layer-defensivekv'] as const) {
    assert.throws(
      () => openConversation(wide, { ...options, policy }),
      (e: Error) =>
        e.name === 'OptionError' && /heads of 520 are too wide for \(at most 512\)/.test(e.message),
      policy,
    );
  }
  assert.is(wide.backend.arena.usedBytes, before);
  openConversation(wide, { ...options, policy: 'defensivekv', value: 'none' }).dispose();
  openConversation(wide, { ...options, policy: 'snapkv' }).dispose();
  using narrow = await wideModel(512);
  openConversation(narrow, { ...options, policy: 'defensivekv' }).dispose();
});

test('a policy’s name is typed', () => {
  // @ts-expect-error: no policy has this name
  const misspelt: ConversationOptions = { budget: 64, policy: 'snapkw' };
  const own: ConversationOptions = { budget: 64, policy: findPolicy(String('snapkv')) };
  assert.ok(misspelt && own);
});

test.run();
