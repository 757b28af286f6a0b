// Encoding that goes on at a boundary gives what encoding the whole text gives: random texts, places and continuations.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readdirSync } from 'node:fs';
import { openSource } from '../../src/model/source.ts';
import { readGguf } from '../../src/model/gguf.ts';
import { createTokenizer, type Tokenizer } from '../../src/model/tokenizer.ts';
import { createRandom } from '../../src/math/rng.ts';
import { fixture } from '../fixtures.ts';
import { textOf } from './tokenizer-texts.ts';

const test = suite('tokenizer boundary');
const SPECIALS = 3; // control tokens
const USER_DEFINED = 4;

async function open(name: string): Promise<{ tokenizer: Tokenizer; specials: string[] }> {
  const path = fixture(`tokenizers/${name}`);
  const source = await openSource(path);
  const { metadata } = await readGguf(source);
  await source.close();
  const types = metadata['tokenizer.ggml.token_type'] as number[];
  const specials = (metadata['tokenizer.ggml.tokens'] as string[]).filter((_, id) => types[id] === SPECIALS || types[id] === USER_DEFINED);
  return { tokenizer: createTokenizer(metadata, path), specials };
}

for (const name of readdirSync(fixture('tokenizers')).filter((file) => file.endsWith('.gguf'))) {
  test(`${name}: tokens before a boundary and from there on are those of the whole`, async () => {
    const { tokenizer, specials } = await open(name);
    const random = createRandom(7);
    const below = (count: number) => Math.floor(random() * count);
    let places = 0;
    for (let seed = 0; seed < 600; seed++) {
      const text = textOf(seed, specials);
      const at = below(text.length + 1);
      const b = tokenizer.boundary(text, at);
      assert.ok(b >= 0 && b <= at);
      if (b > 0) places++;
      const head = tokenizer.encode(text.slice(0, b));
      for (const whole of [text, text.slice(0, at), text.slice(0, at) + textOf(seed + 10000, specials), text.slice(0, at) + textOf(seed + 20000, specials)]) {
        const said = `${JSON.stringify(whole)} at ${at}, boundary ${b}`;
        assert.equal([...head, ...tokenizer.encodeFrom(whole, b)], tokenizer.encode(whole), said);
      }
      // what stands behind `at` is not looked at
      assert.is(tokenizer.boundary(text.slice(0, at), at), b);
    }
    assert.ok(places > 400, `${places} of 600 boundaries are not 0`);
  });
}
test.run();
