// Time in proportion: long words, long tokens, many special tokens, many tokens. Limits are wide,
// as machines are slow and busy; what grows with the square takes minutes.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createTokenizer } from '../../src/model/tokenizer.ts';
import { metadataOf } from './tokenizer-files.ts';
import { pairsMetadata, tokenizerFiles, tokenizerKinds } from './tokenizer-texts.ts';

const test = suite('tokenizer, long texts');
const MOST_MS = 6000;
const UNITS = 100_000;
const quick = <T>(what: string, run: () => T): T => {
  const begin = performance.now();
  const result = run();
  const took = performance.now() - begin;
  assert.ok(took < MOST_MS, `${what} took ${took.toFixed(0)} ms`);
  return result;
};
const units = [
  'a',
  'A',
  'aB',
  '7',
  ' ',
  '\n',
  ' \n',
  '\t',
  "'",
  '<',
  '<|',
  '!?-',
  '\0',
  '\u0301',
  '今天',
  '😀',
  'ภ',
  '\u00a0',
  '\ufeff',
  '▁',
  'x ',
];
const long = (unit: string, count = UNITS) => unit.repeat(count / unit.length);
const noise = (count: number, letters: string) => {
  let state = 1;
  let text = '';
  for (let i = 0; i < count; i++)
    text += letters[(state = (state * 16807) % 2147483647) % letters.length];
  return text;
};

const FILES = tokenizerFiles.filter((file) => /gpt-2|llama-bpe|spm/.test(file));

/** What all tokenizers share is tried with files; kinds have their words alone, and shorter ones. */
const KIND_UNITS = 40_000;

for (const [name, each, count, open] of [
  ...FILES.map(
    (file) =>
      [file, units, UNITS, async () => createTokenizer(await metadataOf(file), file)] as const,
  ),
  ...tokenizerKinds.map(
    (pre) =>
      [
        `pre-tokenizer '${pre}'`,
        ['A', ' ', '7', '今天'],
        KIND_UNITS,
        async () => createTokenizer(pairsMetadata(pre), pre),
      ] as const,
  ),
]) {
  test(`${name}: words of ${count} characters there and back`, async () => {
    const tokenizer = await open();
    for (const text of [
      ...each.map((unit) => long(unit, count)),
      noise(count, 'abcdefghijklmnopqrstuvwxyz'),
      `${long(' ', count)}今`,
      `${long('\n', count)}x`,
    ]) {
      const what = JSON.stringify(text.slice(0, 4));
      const tokens = quick(`encode ${what}`, () => tokenizer.encode(text));
      const back = quick(`decode ${what}`, () => tokenizer.decode(tokens, true));
      assert.ok(back === text || (text[0] === '▁' && back === text.replaceAll('▁', ' ')), what);
      quick(`boundary ${what}`, () => tokenizer.boundary(text, text.length));
    }
  });
}

const spm = async () => metadataOf('test/fixtures/tokenizers/spm.gguf');
const extended = async (texts: readonly string[], type: number) => {
  const metadata = await spm();
  const add = <T>(name: string, values: readonly T[]) => ({
    [`tokenizer.ggml.${name}`]: [...(metadata[`tokenizer.ggml.${name}`] as T[]), ...values],
  });
  const scores = texts.map((_, i) => -20000 - i);
  return {
    ...metadata,
    ...add('tokens', texts),
    ...add('scores', scores),
    ...add(
      'token_type',
      texts.map(() => type),
    ),
  };
};

test('a token of 40,000 characters costs what its characters cost', async () => {
  for (const type of [1, 3, 4]) {
    const word = 'ab'.repeat(20_000);
    const chain = Array.from({ length: 15 }, (_, i) => 'ab'.repeat(2 ** i));
    const metadata = await extended([word, ...chain.slice(1)], type);
    const tokenizer = quick('opening', () => createTokenizer(metadata, 'long'));
    const text = `${'ab'.repeat(50_000)} ${word}`;
    const tokens = quick('encode', () => tokenizer.encode(text));
    assert.is(tokenizer.decode(tokens, true), text);
    if (type !== 1)
      assert.is(
        tokens.filter((t) => t === (metadata['tokenizer.ggml.tokens'] as string[]).indexOf(word))
          .length,
        3,
      );
    quick('boundary', () => tokenizer.boundary(text, text.length));
  }
});
test('a byte-level vocabulary with tokens of 40,000 characters', () => {
  const metadata = pairsMetadata('gpt-2');
  const chain = Array.from({ length: 14 }, (_, i) => 'ab'.repeat(2 ** i));
  const tokenizer = createTokenizer(
    {
      ...metadata,
      'tokenizer.ggml.tokens': [
        ...metadata['tokenizer.ggml.tokens'],
        ...chain.slice(1),
        'c'.repeat(40_000),
      ],
      'tokenizer.ggml.merges': [
        ...chain.slice(0, -1).map((half) => `${half} ${half}`),
        ...metadata['tokenizer.ggml.merges'],
      ],
    },
    'long',
  );
  const text = 'ab'.repeat(50_000) + 'c'.repeat(100_000);
  const tokens = quick('encode', () => tokenizer.encode(text));
  assert.is(tokenizer.decode(tokens), text);
});
test('thousands of special tokens, alike and within each other', async () => {
  const many = [
    ...Array.from({ length: 5000 }, (_, i) => `<unused${i}>`),
    ...Array.from({ length: 200 }, (_, i) => '\n'.repeat(i + 1)),
    `x${'\n'.repeat(999)}`,
  ];
  const metadata = await extended(many, 4);
  const tokenizer = quick('opening', () => createTokenizer(metadata, 'many'));
  const texts = [
    Array.from({ length: 9000 }, (_, i) => `<unused${(i * 7919) % 6000}>`).join(''),
    long('\n'),
    long('<u'),
    long('<unused'),
    `${long('\n')}x${long('\n')}`,
  ];
  for (const text of texts) {
    const tokens = quick(`encode ${JSON.stringify(text.slice(0, 10))}`, () =>
      tokenizer.encode(text),
    );
    assert.is(tokenizer.decode(tokens, true), text);
    quick('boundary', () => tokenizer.encodeFrom(text, tokenizer.boundary(text, text.length)));
  }
});
test('lines of more than 130,000 tokens', async () => {
  for (const file of FILES) {
    const tokenizer = createTokenizer(await metadataOf(file), file);
    const text = 'on 1 of 2 days, '.repeat(40_000);
    const tokens = quick('encode', () => tokenizer.encode(text));
    assert.ok(tokens.length > 130_000);
    assert.is(tokenizer.decode(tokens), text);
    assert.ok(text.length - tokenizer.boundary(text, text.length) < 10);
    const stream = tokenizer.stream();
    assert.is(
      quick('stream', () => tokens.map((t) => stream.push(t)).join('') + stream.end()),
      text,
    );
  }
});
test('a long token beside one that grows, neither of which joins the other', () => {
  const [length, steps] = [2 ** 21, 3000];
  const xs = Array.from({ length: 22 }, (_, i) => 'x'.repeat(2 ** i));
  const as = Array.from({ length: steps }, (_, i) => 'a'.repeat(i + 1));
  // the last is as long as what is looked up at every step
  const tokens = ['<unk>', '<s>', '</s>', '▁', ...xs, ...as, 'xa', 'y'.repeat(length + steps)];
  const scores = tokens.map((text) => (text === 'xa' ? -1e9 : text[0] === 'x' ? 1e6 : text.length));
  const tokenizer = createTokenizer(
    {
      'tokenizer.ggml.model': 'llama',
      'tokenizer.ggml.tokens': tokens,
      'tokenizer.ggml.scores': scores,
      'tokenizer.ggml.token_type': tokens.map((_, i) => (i < 3 ? 3 : 1)),
    },
    'made here',
  );
  const text = 'x'.repeat(length) + 'a'.repeat(steps);
  const found = quick('encode', () => tokenizer.encode(text));
  assert.is(tokenizer.decode(found), text);
});
test('a boundary is near, and is found in time that does not grow with the text before it', async () => {
  for (const file of FILES) {
    const tokenizer = createTokenizer(await metadataOf(file), file);
    const text =
      'Mia: The tower is 55 metres high, I know.\n今天天气很好，我们去公园。\n\n<|user|> Tell me!\r\n'.repeat(
        20_000,
      );
    let back = 0;
    quick('2,000 boundaries', () => {
      for (let i = 0; i < 2000; i++) {
        const at = 100 + ((i * 7919 * 31) % (text.length - 100));
        back += at - tokenizer.boundary(text, at);
        tokenizer.encodeFrom(text.slice(0, at), tokenizer.boundary(text, at));
      }
    });
    assert.ok(back / 2000 < 20, `${file}: ${back / 2000} characters back on average`);
  }
});
test.run();
