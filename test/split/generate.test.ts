// Text over a cut: the tokens of a model in one piece, wherever it is cut; and what is refused.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bitsIn } from '../../src/cli/commands/split-generate.ts';
import { ContextError, ProtocolError } from '../../src/errors.ts';
import { ConversationFrames } from '../../src/split/generate-frames.ts';
import { fixture } from '../fixtures.ts';
import { greedy, localConversation, repliesOf, repliesWhole, shapeOf, warm } from './generate.ts';

const test = suite('split/generate');
const TINY = new URL('../../../../models/recollect-tiny.gguf', import.meta.url).pathname;

for (const [name, sampling] of Object.entries({ greedy, warm }))
  test(`tokens of one piece at every cut, ${name}`, async () => {
    const whole = await repliesWhole(TINY, sampling);
    assert.is(whole.length, 24);
    assert.ok(new Set(whole).size > 4, `${whole}`);
    for (const cut of [0, 1, 2, 3]) {
      const local = await localConversation(TINY, cut, shapeOf());
      assert.equal(await repliesOf(local, sampling), whole, `cut ${cut}`);
      local.dispose();
    }
  });

for (const model of ['gemma3-swa-f32', 'qwen3-f32', 'smollm3-f32'])
  test(`tokens of one piece, ${model}`, async () => {
    const path = fixture(`${model}.gguf`);
    const local = await localConversation(path, 1, shapeOf());
    assert.equal(await repliesOf(local, warm), await repliesWhole(path, warm));
    local.dispose();
  });

test('numbers of few bits are near', async () => {
  // (which token is the likeliest may hang on how activations are rounded)
  const whole = await repliesWhole(TINY, greedy, 'int16');
  const shape = shapeOf({ codec: 'channel', bits: 8 });
  const local = await localConversation(TINY, 1, shape, 'int16');
  const reply = await repliesOf(local, greedy);
  assert.equal(reply.slice(0, 4), whole.slice(0, 4));
  local.dispose();
});

test('learned bits come from a training, or a list', () => {
  const course = {
    bits: [5, 4].map((b, step) => ({
      step,
      bits: [
        [b, 3],
        [8, 8],
      ],
    })),
  };
  assert.equal(bitsIn(JSON.stringify({ course }), 'f'), [4, 3]);
  assert.equal(bitsIn('[1, 8]', 'f'), [1, 8]);
  for (const wrong of ['{}', 'null', '["4"]', '[1', '{"course": {"bits": []}}', '{"course": 1}'])
    assert.throws(() => bitsIn(wrong, 'f'), /'f' has no bits of channels/);
});

test('learned bits travel with the first frames', () => {
  const bits = Uint8Array.from({ length: 8 }, (_, c) => 1 + c);
  const [here, there] = [0, 1].map(
    () => new ConversationFrames({ codec: 'channel', bits: 4 }, 8, 20),
  );
  here.setBits(bits);
  for (const [tokens, at] of [
    [20, 0],
    [1, 20],
    [1, 21],
  ]) {
    const x = Float32Array.from({ length: tokens * 8 }, (_, i) => Math.sin(i * i));
    const frame = here.encode(x, tokens, at);
    // header, map in the first frame of each size, ranges of channels or of a group of them, numbers
    const ranges = tokens === 20 ? 8 : 1;
    assert.is(frame.length, 52 + (at < 21 ? 8 : 0) + 4 * ranges + Math.ceil((tokens * 36) / 8));
    const back = there.decode(frame, tokens, at);
    for (const [i, v] of back.entries())
      assert.ok(Math.abs(v - x[i]) <= 1.01 / (2 ** bits[i % 8] - 1), `${i}: ${v}, ${x[i]}`);
  }
});

test('what may not be asked changes nothing', async () => {
  const local = await localConversation(TINY, 1, shapeOf());
  const { ask, client, conversation } = local;
  const lead = client.tokenizer.encode('Mia: Hello.\n');
  await conversation.add(lead);
  const at = lead.length;
  const { width } = client.config;
  const frames = new ConversationFrames(shapeOf(), width, 5);
  const x = frames.encode(new Float32Array(width), 1, 0);
  const wrong = [
    { kind: 'prefill', at: 0, tokens: 1, x }, // repeated
    { kind: 'decode', at, tokens: 1, x }, // a frame of another place
    { kind: 'decode', at, tokens: 0, x },
    { kind: 'decode', at, tokens: 6, x },
    { kind: 'prefill', at, tokens: 1, x: x.slice(0, 40) },
    { kind: 'clear', step: 0 },
  ] as const;
  for (const message of wrong) await assertRejects(ask(message), ProtocolError);
  const fresh = await localConversation(TINY, 1, shapeOf());
  await fresh.conversation.add(lead);
  assert.equal(await repliesOf(local, greedy), await repliesOf(fresh, greedy));
  for (const one of [fresh, local]) one.dispose();
});

test('a context has an end', async () => {
  const shape = shapeOf({ context: 30 });
  const { conversation, dispose, tokenizer } = await localConversation(TINY, 2, shape);
  await assertRejects(conversation.add(Array.from({ length: 31 }, () => 40)), ContextError);
  assert.is(conversation.count, 0, 'refused whole');
  const found: number[] = [];
  const options = { ...greedy, maxTokens: 100, endTokens: new Set<number>() };
  const prompt = tokenizer.encode('Ravi: The name of his dog is Rex.');
  for await (const token of conversation.reply(prompt, options)) found.push(token);
  assert.is(found.length, 30 - prompt.length + 1, 'the last token is yielded and not taken in');
  assert.is(conversation.count, 30);
  dispose();
});

async function assertRejects(promise: Promise<unknown>, kind: new () => Error): Promise<void> {
  let found: unknown;
  await promise.catch((error) => (found = error));
  assert.instance(found, kind);
}

test.run();
