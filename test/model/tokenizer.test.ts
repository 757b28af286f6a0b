// Tokens exactly as llama.cpp makes them (test/fixtures/tokenizers/tokens.json), for each kind of
// tokenizer that we read.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadModel } from '../../src/engine/model.ts';
import { fixture, readJson } from '../fixtures.ts';
import { smallLlama, writeGguf } from '../gguf-writer.ts';

const expected = readJson<Record<string, { text: string; tokens: number[] }[]>>(
  fixture('tokenizers/tokens.json'),
);
const test = suite('tokenizer');

for (const [name, cases] of Object.entries(expected)) {
  test(`${name}: tokens as llama.cpp's, and back`, async () => {
    using model = await loadModel(fixture(`tokenizers/${name}.gguf`));
    const { tokenizer } = model;
    for (const { text, tokens } of cases) {
      assert.equal(tokenizer.encode(text), tokens, JSON.stringify(text));
      // SentencePiece puts a space behind a special token that was not there
      if (!text.includes('<|user|>')) assert.is(tokenizer.decode(tokens, true), text);
    }
  });
  test(`${name}: a stream of tokens gives the text, characters never cut`, async () => {
    using model = await loadModel(fixture(`tokenizers/${name}.gguf`));
    for (const { text, tokens } of cases) {
      if (text.includes('<')) continue; // special tokens are not shown
      const stream = model.tokenizer.stream();
      const pieces = [...tokens.map((t) => stream.push(t)), stream.end()];
      assert.is(pieces.join(''), model.tokenizer.decode(tokens));
      assert.not.ok(
        pieces.some((p) => p.includes('\ufffd')),
        JSON.stringify(pieces),
      );
    }
  });
}

test('a tokenizer that we do not read is refused by name, with those we do', async () => {
  const refuse = async (metadata: Record<string, string>, pattern: RegExp) => {
    try {
      await loadModel(writeGguf(smallLlama({ metadata })));
      assert.unreachable();
    } catch (error) {
      assert.is((error as Error).name, 'UnsupportedError');
      assert.match((error as Error).message, pattern);
    }
  };
  await refuse({ 'tokenizer.ggml.model': 'bert' }, /'bert'.*gpt2.*llama/);
  await refuse(
    { 'tokenizer.ggml.pre': 'llama4-scout' },
    /'llama4-scout'.*gpt-2.*llama-bpe.*gemma4/,
  );
});
test.run();
