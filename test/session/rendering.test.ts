// What the model reads is what its template says: after every call the conversation's tokens are
// those of the template rendered at once over everything that was said, and encoded at once. The
// renderings are those of Python's Jinja2 (templates.test.ts holds them to it).
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadModel, type Model } from '../../src/engine/model.ts';
import { createRandom } from '../../src/math/rng.ts';
import { type Conversation, openConversation } from '../../src/session/conversation.ts';
import type { ConversationOptions } from '../../src/session/options.ts';
import { rejects } from '../rejects.ts';
import {
  CONVERSATIONS,
  contentOf,
  conversationOf,
  renderingOf,
  type Said,
  whole,
} from './templates/conversations.ts';
import { type Family, NOW } from './templates/family.ts';
import { families } from './templates/index.ts';
import { byteLevel, modelOf, sentencePiece, type Vocabulary } from './templates/vocabularies.ts';

const test = suite('rendering');

/** Tokens of everything said; undefined where the template refuses it so far. */
function expected(model: Model, family: Family, said: readonly Said[], reply = false) {
  const { tokenizer } = model;
  const text = renderingOf(family, said, reply);
  if (text === undefined) return undefined;
  const bos = tokenizer.addBos && !text.startsWith(tokenizer.bosText) ? [tokenizer.bosToken!] : [];
  return [...bos, ...tokenizer.encode(text)];
}

const same = (a: readonly number[], b: readonly number[] | undefined) =>
  a.length === b?.length && a.every((token, i) => token === b[i]);

const open = (
  model: Model,
  family: Family,
  options: Pick<ConversationOptions, 'budget' | 'policy'>,
): Conversation =>
  openConversation(model, {
    blockSize: 640,
    ...options,
    ...family.options,
    templateVariables: { now: NOW, ...family.options?.templateVariables },
  });

/** One conversation with random calls. */
async function converse(model: Model, family: Family, seed: number): Promise<void> {
  const random = createRandom(seed + 7);
  const evicts = random() < 0.5;
  const budget = evicts ? 96 : 7000;
  using c = open(model, family, { budget, policy: evicts ? 'streaming-llm' : 'full' });
  const said: Said[] = [];
  const told = (what: string) =>
    `seed ${seed}, ${what}: ${JSON.stringify(model.tokenizer.decode(c.tokens, true))}`;
  const check = (what: string): void => {
    const all = expected(model, family, said);
    const last = said[said.length - 1];
    // a system message alone is written with what comes next in some families
    if (all === undefined || last === undefined || (last.role === 'system' && family.strict))
      return;
    const { tokens } = c;
    if (!same(tokens, all)) assert.equal(tokens, all, told(what));
  };
  const add = async (messages: readonly Said[]): Promise<void> => {
    said.push(...messages);
    if (random() < 0.5) await c.add(messages);
    else for (const message of messages) await c.add(message);
    check(`${messages.length} messages`);
  };
  const script = conversationOf(family, seed);
  while (script.length > 0) {
    // (a call of a tool is in the middle of a turn)
    const answers = (m: Said) => m.role === 'assistant' && m.tool_calls === undefined;
    const end = script.findIndex(answers) + 1;
    const turn = script.splice(0, end);
    if (turn[0].role === 'system') await add(turn.splice(0, 1));
    const asks = turn[turn.length - 2].role === 'user' && random() < 0.6;
    if (!asks) await add(turn);
    else {
      if (said.length > 0 && random() < 0.2) await askAside(c, random);
      await ask(model, family, c, said, turn[0], random, told);
    }
  }
}

async function askAside(c: Conversation, random: () => number): Promise<void> {
  const before = c.tokens;
  await c.ask(contentOf(random), { keep: false, maxTokens: 2 }).text();
  assert.equal(c.tokens, before, 'a question that is not kept leaves no trace');
}

/** A question: its tokens while it is answered, and what they become with the answer. */
async function ask(
  model: Model,
  family: Family,
  c: Conversation,
  said: Said[],
  question: Said,
  random: () => number,
  told: (what: string) => string,
): Promise<void> {
  const asking = c.ask(question.content, {
    maxTokens: whole(random, 1, 4),
    temperature: 2,
    seed: said.length,
  });
  const pieces = asking[Symbol.asyncIterator]();
  await pieces.next();
  const asked = expected(model, family, [...said, question], true)!;
  const begin = c.tokens.slice(0, asked.length);
  if (asking.finishReason === undefined && !same(begin, asked))
    assert.equal(begin, asked, told('while asked'));
  const text = await asking.text();
  const now = answered(model, family, [...said, question], text, c.tokens);
  assert.ok(now, now ? '' : told(`answered with ${JSON.stringify(text)}`));
  said.splice(0, said.length, ...now!);
}

/** What is said with an answer that has given these tokens: as it is, or trimmed in front. */
function answered(
  model: Model,
  family: Family,
  said: readonly Said[],
  reply: string,
  tokens: readonly number[],
): Said[] | undefined {
  const ways = reply === reply.trimStart() ? [reply] : [reply, reply.trimStart()];
  return ways
    .map((content): Said[] => [...said, { role: 'assistant', content }])
    .find((way) => same(tokens, expected(model, family, way)));
}

const vocabulariesOf = (family: Family, at: number): [Vocabulary, from: number, to: number][] => [
  [byteLevel(family, at % 2 === 0), 0, CONVERSATIONS],
  [sentencePiece(family, true, true), 0, CONVERSATIONS / 2],
  [sentencePiece(family, false, at % 2 === 1), CONVERSATIONS / 2, CONVERSATIONS],
];

/** Text without a role, in however many calls, is one message; text behind a turn is another. */
async function sayPlain(model: Model, family: Family): Promise<void> {
  using c = open(model, family, { budget: 7000, policy: 'full' });
  let said: Said[] = [];
  const say = async (pieces: readonly string[], place: 'system' | 'user') => {
    for (const piece of pieces) await c.add(piece);
    const reply = await c.ask('why?', { maxTokens: 1 }).text();
    const text = pieces.join('');
    const begin: Said[] =
      place === 'user'
        ? [{ role: 'user', content: `${text}\n\nwhy?` }]
        : [
            { role: 'system', content: text },
            { role: 'user', content: 'why?' },
          ];
    const now = answered(model, family, [...said, ...begin], reply, c.tokens);
    assert.ok(now, `text without a role: ${model.tokenizer.decode(c.tokens, true)}`);
    said = now!;
  };
  await say(['a b\n', 'the', ' end\n', '\n', 'z'], family.plain);
  await say(['more\n', 'of it'], family.later ?? family.plain);
}

for (const [at, family] of families.entries()) {
  for (const [vocabulary, from, to] of vocabulariesOf(family, at)) {
    test(`${family.name}, ${vocabulary.name}: ${to - from} conversations`, async () => {
      using model = await loadModel(modelOf(family, vocabulary), { threads: 1 });
      for (let seed = from; seed < to; seed++) await converse(model, family, seed);
      await sayPlain(model, family);
    });
  }
}

test('a system message that would take the place of another is refused', async () => {
  const family = families.find(({ name }) => name === 'deepseek r1, distilled')!;
  using model = await loadModel(modelOf(family, byteLevel(family, true)), { threads: 1 });
  using c = open(model, family, { budget: 7000, policy: 'full' });
  await c.add([
    { role: 'system', content: 'Be short.' },
    { role: 'user', content: 'a' },
    { role: 'assistant', content: 'b' },
  ]);
  const before = c.tokens;
  const second = c.add({ role: 'system', content: 'Be long.' });
  await rejects(second, 'OptionError', /leaves out a system message in place 1 of 4/);
  assert.equal(c.tokens, before);
});

test('an answer that only calls tools may have no content', async () => {
  const called = [{ type: 'function', function: { name: 'f', arguments: { x: 1 } } }];
  const family = families.find(({ name }) => name === 'chatml')!;
  using model = await loadModel(modelOf(family, byteLevel(family, true)), { threads: 1 });
  using c = open(model, family, { budget: 7000, policy: 'full' });
  const asked = { role: 'user', content: 'why?' };
  await c.add([asked, { role: 'assistant', content: null, tool_calls: called }]);
  const said = [asked, { role: 'assistant', content: '', tool_calls: called }];
  assert.equal(c.tokens, expected(model, family, said));
  await rejects(
    c.add([{ role: 'assistant', content: null }]),
    'OptionError',
    /found role 'assistant' and content null/,
  );
});

test('a message that would be lost is refused, whatever its role, asked or added', async () => {
  const spoken = "{% if m.role == 'user' or m.role == 'assistant' %}[{{ m.content }}]{% endif %}";
  const ends = '{% if add_generation_prompt %}>{% endif %}';
  const ignores = `{% for m in messages %}${spoken}{% endfor %}${ends}`;
  for (const [source, message] of [
    [ignores, { role: 'tool', content: 'b' }],
    [ignores, { role: 'system', content: 'b' }],
    [ignores, { role: 'Narrator', content: 'b' }],
    ['{# #}', { role: 'user', content: 'b' }],
    ['the same', { role: 'user', content: 'b' }],
  ] as const) {
    const family: Family = { name: 'loses', source, bos: '<s>', eos: '</s>', plain: 'user' };
    using model = await loadModel(modelOf(family, byteLevel(family, true)), { threads: 1 });
    using c = openConversation(model, { budget: 400, blockSize: 64, policy: 'full' });
    const lost = /template leaves out a \w+ message in place \d of \d: /;
    if (source === ignores) await c.ask('why?', { maxTokens: 1 }).text();
    const before = c.tokens;
    await rejects(c.ask(message).text(), 'OptionError', lost);
    if (message.role !== 'user') await rejects(c.add(message), 'OptionError', lost);
    assert.equal(c.tokens, before);
  }
});

test('a system message that would be lost is refused, and nothing is taken in', async () => {
  for (const family of families.filter(({ name }) =>
    ['alpaca', 'gemma 2', 'llama 2'].includes(name),
  )) {
    for (const [vocabulary] of vocabulariesOf(family, 0)) {
      using model = await loadModel(modelOf(family, vocabulary), { threads: 1 });
      using c = open(model, family, { budget: 7000, policy: 'full' });
      await c.ask('why?', { maxTokens: 1 }).text();
      const before = c.tokens;
      const system: Said = { role: 'system', content: 'Be short.' };
      const refusal = /template (leaves out a system message|refuses these messages)/;
      await rejects(c.add(system), 'OptionError', refusal);
      const turn: Said[] = [
        { role: 'user', content: 'b' },
        { role: 'assistant', content: 'c' },
      ];
      await rejects(c.add([...turn, system]), 'OptionError', /template/);
      assert.equal(c.tokens, before, family.name);
    }
  }
});

test.run();
