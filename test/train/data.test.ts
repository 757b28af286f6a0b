// Lines that are trained on: what is learned of them, and what is refused.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OptionError } from '../../src/errors.ts';
import { examplesOf, packed, stepsPerEpoch } from '../../src/train/batches.ts';
import { parseLines, readExamples, splitHeldOut } from '../../src/train/data.ts';
import { type ChatTemplate, textOf } from '../../src/model/chat-template.ts';
import { rateAt } from '../../src/train/schedule.ts';
import { tinyModel } from '../fixtures.ts';

const test = suite('train/data');

const options = { loss: 'auto', length: 100, file: 'f.jsonl' } as const;
const talk = (...contents: string[]) => ({
  messages: contents.map((content, i) => ({ role: i % 2 ? 'assistant' : 'user', content })),
});

/** Expects an OptionError whose message has all of the patterns. */
function refuses(work: () => unknown, ...patterns: RegExp[]): void {
  try {
    work();
  } catch (error) {
    assert.instance(error, OptionError);
    for (const pattern of patterns) assert.match((error as Error).message, pattern);
    return;
  }
  assert.unreachable('it was accepted');
}

test('replies are learned, and the token that ends each', async () => {
  const model = await tinyModel();
  const line = talk("What is Ana's dog called?", 'Rex', 'And her cat?', 'Tom');
  const [example] = readExamples(model, [line], options);
  const learned = example.tokens.filter((_, i) => example.isLearned[i]);
  assert.is(model.tokenizer.decode(learned, true), ' Rex<|end|> Tom<|end|>');
  assert.is(
    model.tokenizer.decode(example.tokens, true),
    model.chatTemplate.render(line.messages, false),
  );
  const [all] = readExamples(model, [line], { ...options, loss: 'all' });
  assert.equal(all.tokens, example.tokens);
  assert.is(all.isLearned.filter(Boolean).length, all.tokens.length - 1);
});

test('a text is learned whole, but for its first token', async () => {
  const model = await tinyModel();
  const [example] = readExamples(model, [{ text: 'Mia: Hi there!' }], options);
  assert.equal(example.tokens, model.tokenizer.encode('Mia: Hi there!'));
  assert.equal(
    example.isLearned,
    example.tokens.map((_, i) => i > 0),
  );
});

test('what is wrong is told with its line', async () => {
  const model = await tinyModel();
  const good = { text: 'Mia: Hi there!' };
  const wrong: [unknown, RegExp][] = [
    [7, /neither "text" nor|neither/],
    [{ text: 'a', messages: [] }, /both "text" and "messages"/],
    [{ text: '' }, /"text" is '', expected some text/],
    [{ text: 3 }, /"text" is 3/],
    [{ messages: [] }, /"messages" is .*expected a list/],
    [{ messages: [{ role: 'user' }] }, /message 1 is .*a role and a content/],
    [talk(' Hello?'), /no reply .*'assistant'/],
    [{ text: 'x' }, /nothing to learn from/],
    [{ text: 'Mia: Hi there! '.repeat(60) }, /tokens, at most 100 .*split it/],
  ];
  for (const [line, message] of wrong)
    refuses(() => readExamples(model, [good, line], options), message, /^f\.jsonl: line 2/);
  refuses(() => readExamples(model, [good], { ...options, loss: 'replies' }), /no replies/);
});

test('lines of JSON, each by its number', () => {
  assert.equal(parseLines('{"a":1}\n{"b":2}\n', 'f'), [{ a: 1 }, { b: 2 }]);
  assert.equal(parseLines('{"a":1}\r\n3', 'f'), [{ a: 1 }, 3]);
  refuses(() => parseLines('', 'f'), /no lines/);
  refuses(() => parseLines('{"a":1}\n\n{"b":2}', 'f'), /line 2 is empty/);
  refuses(() => parseLines('{"a":1}\n{"b":', 'f'), /line 2 is no JSON/);
});

test('an epoch sees each example once, in an order of its own', () => {
  const examples = Array.from({ length: 10 }, (_, line) => ({
    tokens: [1, 2],
    isLearned: [false, true],
    line,
  }));
  const perEpoch = stepsPerEpoch(10, 4);
  assert.is(perEpoch, 3);
  const orders = [0, 1].map((epoch) =>
    Array.from({ length: perEpoch }, (_, i) => examplesOf(examples, epoch * perEpoch + i, 4, 9))
      .flat()
      .map(({ line }) => line),
  );
  for (const order of orders)
    assert.equal(
      [...order].sort((a, b) => a - b),
      examples.map(({ line }) => line),
    );
  assert.not.equal(orders[0], orders[1]);
  assert.equal(examplesOf(examples, 4, 4, 9), examplesOf(examples, 4, 4, 9));
});

test('batches hold what fits, and every target once', () => {
  const lengths = [5, 9, 3, 12, 2, 7];
  const examples = lengths.map((n, line) => ({
    tokens: Array.from({ length: n }, (_, i) => line * 100 + i),
    isLearned: Array.from({ length: n }, (_, i) => i > 0 && i < n - (line % 2)),
    line,
  }));
  const batches = [...packed(examples, 14)];
  for (const { tokens, targets, sequences } of batches) {
    assert.ok(tokens.length <= 14);
    assert.is(tokens.length, targets.length);
    assert.is(
      sequences.reduce((sum, { count }) => sum + count, 0),
      tokens.length,
    );
  }
  const learned = batches.flatMap(({ targets }) => targets.filter((t) => t >= 0));
  assert.equal(
    learned,
    examples.flatMap(({ tokens, isLearned }) => tokens.filter((_, i) => isLearned[i])),
  );
});

test('what is held out is a share, drawn from the seed', () => {
  const examples = Array.from({ length: 25 }, (_, line) => ({
    tokens: [1, 2],
    isLearned: [false, true],
    line,
  }));
  const { learned, heldOut } = splitHeldOut(examples, 0.1, 3);
  assert.is(heldOut.length, 2);
  assert.is(new Set([...learned, ...heldOut]).size, 25);
  assert.equal(splitHeldOut(examples, 0.1, 3).heldOut, heldOut);
  assert.is(splitHeldOut(examples.slice(0, 5), 0.1, 3).heldOut.length, 0);
});

test('rates rise in the warm-up, and fall to nothing', () => {
  const pace = { rate: 1, schedule: 'cosine', warmup: 4, steps: 12 } as const;
  assert.equal(
    [0, 1, 3, 4].map((step) => rateAt(step, pace)),
    [0.25, 0.5, 1, 1],
  );
  assert.ok(Math.abs(rateAt(8, pace) - 0.5) < 1e-12);
  assert.ok(rateAt(11, pace) > 0 && rateAt(11, pace) < 0.05);
  assert.is(rateAt(8, { ...pace, schedule: 'linear' }), 0.5);
  assert.is(rateAt(11, { ...pace, schedule: 'constant' }), 1);
});

test('examples of a line are held out together', () => {
  const examples = Array.from({ length: 40 }, (_, i) => ({
    tokens: [1, 2],
    isLearned: [false, true],
    line: 1 + (i >> 2),
  }));
  const { learned, heldOut } = splitHeldOut(examples, 0.3, 3);
  assert.is(heldOut.length, 12);
  const apart = new Set(heldOut.map(({ line }) => line));
  assert.is(apart.size, 3);
  assert.ok(learned.every(({ line }) => !apart.has(line)));
});

test('calls of tools are learned where the template writes them, and never dropped', async () => {
  const model = await tinyModel();
  const calls = [{ type: 'function', function: { name: 'look', arguments: {} } }];
  const line = (content: string | null) => ({
    messages: [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content, tool_calls: calls },
    ],
  });
  for (const content of ['Well', ''])
    refuses(() => readExamples(model, [line(content)], options), /line 1: message 2 calls tools/);
  refuses(() => readExamples(model, [line(null)], options), /line 1: .*template refuses/);
  const chatTemplate: ChatTemplate = {
    exists: true,
    render: (messages, reply) =>
      messages
        .map((m) => `<|${m.role}|> ${textOf(m)}${m.tool_calls ? ' look()' : ''}<|end|>`)
        .join('') + (reply ? '<|assistant|>' : ''),
  };
  for (const content of ['Well', null]) {
    const [example] = readExamples({ ...model, chatTemplate }, [line(content)], options);
    const learned = example.tokens.filter((_, i) => example.isLearned[i]);
    const said = model.tokenizer.decode(learned, true);
    assert.ok(said.endsWith(' look()<|end|>'), said);
  }
});

test.run();
