// A device that goes away after any number of operations: conversations go on with WebAssembly, and
// say what those say that were there from the beginning.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Backend } from '../../src/backend/backend.ts';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { DeviceLostError } from '../../src/backend/webgpu/device.ts';
import { loadModel } from '../../src/engine/model.ts';
import { type Conversation, openConversation } from '../../src/session/conversation.ts';
import type { ConversationOptions } from '../../src/session/options.ts';
import { machineModel } from '../machine.ts';
import { rejects } from '../rejects.ts';

const test = suite('a lost device');
const file = machineModel(undefined);
const machine = { build: 'simd', threads: 1 } as const;
const text = 'Mia has a dog, Rex. He ate 42 blue words.\nRavi went there.\n'.repeat(3);

/** What backends do with numbers; the others plan, or free. */
const work = /^(linear|rmsNorm|embed|attention|observe|rope|gated|select|row|key|rate|read|fold)/;

/** A device that is lost after so many operations. */
function losing(operations: number) {
  const device = { left: operations, isLost: false };
  const inner: Backend = createWasmBackend(machine);
  const backend = new Proxy(inner, {
    get(target, name: keyof Backend) {
      if (name === 'canBeLost') return true;
      const value = target[name];
      if (typeof value !== 'function' || !work.test(name)) return value;
      return (...given: never[]) => {
        device.isLost ||= device.left-- <= 0;
        const lost = new DeviceLostError('the GPU is gone (a test)');
        if (device.isLost && name.startsWith('read')) return Promise.reject(lost);
        if (device.isLost) throw lost;
        return (value as (...given: never[]) => unknown).apply(target, given);
      };
    },
  });
  return { backend, device };
}

const ask = async (conversation: Conversation, question: string, options = {}) =>
  conversation.ask(question, { maxTokens: 6, template: false, ...options }).text();

/** All that conversations do, and what they say. */
async function talk(conversation: Conversation): Promise<string> {
  const said: unknown[] = [];
  let kept = '';
  conversation.onKept = (layer, tokens) => (kept += `${layer}: ${tokens.join(' | ')}\n`);
  await conversation.add(text);
  said.push(await ask(conversation, 'Who is Rex?', { keep: false }));
  said.push(await ask(conversation, 'Who is Ravi?', { temperature: 1, seed: 3 }));
  await conversation.add(text.slice(60));
  await conversation.flush();
  said.push(await ask(conversation, 'Where is he?'));
  return JSON.stringify([said, conversation.tokens.length, kept]);
}

const kinds: Readonly<Record<string, ConversationOptions>> = {
  snapkv: { budget: 40, policy: 'snapkv', blockSize: 24 },
  h2o: { budget: 40, policy: 'h2o', blockSize: 24, cacheType: 'int8' },
  kvzip: { budget: 40, policy: 'kvzip', blockSize: 24, recall: 8 },
  epicache: {
    budget: 40,
    policy: 'epicache',
    blockSize: 24,
    episodes: { count: 2, segmentTurns: 1, answerFrom: 2 },
  },
};

const quiet = console.warn;
test.before(() => {
  console.warn = () => {};
});
test.after(() => {
  console.warn = quiet;
});

for (const [kind, options] of Object.entries(kinds))
  test(`${kind} goes on, whenever the device is lost`, async () => {
    const count = losing(Number.POSITIVE_INFINITY);
    let before = 0;
    count.backend = new Proxy(count.backend, {
      get: (target, name, self) => {
        if (work.test(String(name))) before++;
        return Reflect.get(target, name, self);
      },
    });
    using whole = await loadModel(file, { ...machine, device: count.backend });
    const loading = before;
    using first = openConversation(whole, options);
    const expected = await talk(first);
    const all = before - loading;
    assert.ok(all > 100);
    for (let i = 1; i <= 6; i++) {
      const { backend, device } = losing(Number.POSITIVE_INFINITY);
      using model = await loadModel(file, { ...machine, device: backend });
      using conversation = openConversation(model, options);
      device.left = Math.floor((all * (i - 0.37)) / 6);
      assert.equal(await talk(conversation), expected, `lost after ${device.left}`);
      assert.ok(device.isLost);
      const { backend: name, backendReason, fallback } = conversation.statistics;
      assert.is(name, 'wasm');
      assert.match(backendReason, /the GPU is gone \(a test\)/);
      assert.match(String(fallback), /the GPU is gone/);
      assert.ok(conversation.memory.peakBytes <= conversation.memory.promisedBytes);
    }
  });

test('every conversation of the model goes on, others can be opened, and all can be ended', async () => {
  const { backend, device } = losing(Number.POSITIVE_INFINITY);
  using model = await loadModel(file, { ...machine, device: backend });
  const open = () => openConversation(model, { budget: 40, policy: 'tova', blockSize: 24 });
  using expected = openConversation(await loadModel(file, machine), {
    budget: 40,
    policy: 'tova',
    blockSize: 24,
  });
  const said = await talk(expected);
  const [a, b, gone] = [open(), open(), open()];
  device.left = 150;
  const ended = gone.add(text.repeat(4));
  const talks = Promise.all([talk(a), talk(b)]);
  const refused = rejects(ended, 'OptionError', /disposed of/);
  while (!device.isLost) await new Promise((resolve) => setTimeout(resolve));
  gone.dispose();
  using later = open();
  assert.equal(await talks, [said, said]);
  await refused;
  assert.equal(await talk(later), said);
});

test('where the model cannot be had again all ends with the reason', async () => {
  const bytes = (file as Uint8Array).slice();
  const { backend, device } = losing(Number.POSITIVE_INFINITY);
  using model = await loadModel(bytes, { ...machine, device: backend });
  using conversation = openConversation(model, { budget: 40, policy: 'tova', blockSize: 24 });
  await conversation.add(text);
  device.left = 0;
  structuredClone(bytes, { transfer: [bytes.buffer] });
  const why =
    /the GPU is gone \(a test\), and it could not be loaded again for WebAssembly: .*detached/;
  await rejects(ask(conversation, 'Who?'), 'DeviceError', why);
  await rejects(conversation.add('More.'), 'DeviceError', why);
  assert.throws(() => openConversation(model, { budget: 40 }), why);
});

test('another file in the place of the first is no model to go on with', async () => {
  const bytes = (file as Uint8Array).slice();
  const { backend, device } = losing(Number.POSITIVE_INFINITY);
  using model = await loadModel(bytes, { ...machine, device: backend });
  using conversation = openConversation(model, { budget: 40, policy: 'tova', blockSize: 24 });
  await conversation.add(text);
  // its last numbers, moved
  bytes.copyWithin(bytes.length - 2000, bytes.length - 1996);
  device.left = 0;
  await rejects(ask(conversation, 'Who?'), 'DeviceError', /another one than before/);
});
test.run();
