// Encoding that goes on at a boundary gives what encoding the whole text gives: random texts,
// places and continuations.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createRandom } from '../../src/math/rng.ts';
import { createTokenizer, type Tokenizer } from '../../src/model/tokenizer.ts';
import { metadataOf, specialsOf } from './tokenizer-files.ts';
import { pairsMetadata, textOf, tokenizerFiles, tokenizerKinds } from './tokenizer-texts.ts';

const test = suite('tokenizer boundary');

const NEIGHBOURS = [
  ..." \n\n\r\t/'s.,-+1٣aAé今。\u0301\u00a0\u0085\u0000\ufeff|<>▁😀",
  '  ',
  'll',
  '<|end|>',
];

interface Case {
  readonly name: string;
  open(): Promise<{ tokenizer: Tokenizer; specials: readonly string[] }>;
}
const cases: Case[] = [
  ...tokenizerFiles.map((name) => ({
    name,
    async open() {
      const metadata = await metadataOf(name);
      return { tokenizer: createTokenizer(metadata, name), specials: specialsOf(metadata) };
    },
  })),
  ...tokenizerKinds.map((pre) => ({
    name: `pre-tokenizer '${pre}'`,
    async open() {
      // with special tokens that overlap, one of them white space
      const specials = ['<|end|>', '<|end|>\n', '\n\n\n', '|><|', '  '];
      const pairs = pairsMetadata(pre);
      const { 'tokenizer.ggml.tokens': tokens, 'tokenizer.ggml.token_type': own } = pairs;
      const types = [...((own as number[]) ?? tokens.map(() => 1)), ...specials.map(() => 4)];
      const metadata = {
        ...pairs,
        'tokenizer.ggml.tokens': [...tokens, ...specials],
        'tokenizer.ggml.token_type': types,
      };
      return { tokenizer: createTokenizer(metadata, pre), specials };
    },
  })),
  {
    name: 'special tokens that strip white space',
    async open() {
      const file = 'test/fixtures/tokenizers/spm.gguf';
      const metadata = { ...(await metadataOf(file)), 'general.name': 'Phi-3 small' };
      const tokenizer = createTokenizer(metadata, file);
      const [special] = specialsOf(metadata).filter((text) => !['<s>', '<unk>'].includes(text));
      assert.equal(tokenizer.encode(`${special} \n a`), [
        ...tokenizer.encode(special),
        ...tokenizer.encode('a'),
      ]);
      return { tokenizer, specials: [special] };
    },
  },
];

for (const { name, open } of cases) {
  test(`${name}: tokens before a boundary and from there on are those of the whole`, async () => {
    const { tokenizer, specials } = await open();
    const random = createRandom(7);
    const below = (count: number) => Math.floor(random() * count);
    let places = 0;
    for (let seed = 0; seed < 250; seed++) {
      const text = textOf(seed, specials);
      const at = below(text.length + 1);
      const b = tokenizer.boundary(text, at);
      assert.ok(b >= 0 && b <= at);
      if (b > 0) places++;
      const head = tokenizer.encode(text.slice(0, b));
      for (const whole of [
        text,
        text.slice(0, at),
        text.slice(0, at) + textOf(seed + 10000, specials),
        text.slice(0, at) + textOf(seed + 20000, specials),
      ]) {
        const said = `${JSON.stringify(whole)} at ${at}, boundary ${b}`;
        assert.equal([...head, ...tokenizer.encodeFrom(whole, b)], tokenizer.encode(whole), said);
      }
      // what stands behind `at` is not looked at
      assert.is(tokenizer.boundary(text.slice(0, at), at), b);
    }
    // few characters, so that every neighbourhood comes up: a cut that holds for most of them shows
    // here
    for (let round = 0; round < 1500; round++) {
      const some = () =>
        Array.from({ length: 1 + below(9) }, () => NEIGHBOURS[below(NEIGHBOURS.length)]).join('') +
        (below(9) === 0 ? (specials[0] ?? '') : '');
      const text = some();
      const at = below(text.length + 1);
      const b = tokenizer.boundary(text, at);
      const head = tokenizer.encode(text.slice(0, b));
      for (const whole of [text, text.slice(0, at), text.slice(0, at) + some()]) {
        const said = `${JSON.stringify(whole)} at ${at}, boundary ${b}`;
        assert.equal([...head, ...tokenizer.encodeFrom(whole, b)], tokenizer.encode(whole), said);
      }
    }
    // words of 'superbpe' end at numbers alone
    assert.ok(places > 100, `${places} of 250 boundaries are not 0`);
  });
}
test.run();
