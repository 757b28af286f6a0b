// Tokens of 2,000 texts are llama.cpp's (test/fixtures/tokenizers/llama-cpp.json, by hashes of four
// texts each): for every tokenizer there is a file of, and for every pre-tokenizer by a vocabulary
// that shows where words end.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createTokenizer } from '../../src/model/tokenizer.ts';
import { lineKinds } from '../../src/model/tokenizer/line-bpe.ts';
import { preTokenizers } from '../../src/model/tokenizer/pre-tokenizers.ts';
import { fixture, readJson } from '../fixtures.ts';
import { metadataOf, specialsOf } from './tokenizer-files.ts';
import {
  hashTokens,
  pairsMetadata,
  TEXTS,
  TEXTS_A_HASH,
  textOf,
  tokenizerFiles,
  tokenizerKinds,
} from './tokenizer-texts.ts';

const test = suite('tokenizer, llama.cpp');
const hashes = readJson<Record<string, string>>(fixture('tokenizers/llama-cpp.json'));

function compare(
  name: string,
  encode: (text: string) => number[],
  specials: readonly string[],
): void {
  const bytes = Buffer.from(hashes[name], 'base64');
  const differing: string[] = [];
  for (let from = 0; from < TEXTS; from += TEXTS_A_HASH) {
    let hash = 0;
    for (let seed = from; seed < from + TEXTS_A_HASH; seed++)
      hash = hashTokens(encode(textOf(seed, specials)), hash);
    if (hash !== bytes.readUInt32LE((4 * from) / TEXTS_A_HASH))
      differing.push(`${from} to ${from + TEXTS_A_HASH - 1}`);
  }
  assert.equal(differing, [], `seeds whose tokens are not llama.cpp's`);
}

test('the fixtures are of all files and kinds', () => {
  assert.equal(Object.keys(hashes), [
    ...tokenizerFiles,
    ...tokenizerKinds.map((pre) => `pairs:${pre}`),
  ]);
  const kindOf = (pre: string) => preTokenizers.get(pre || 'default') ?? lineKinds.get(pre)!;
  const kinds = new Set([...preTokenizers.values(), ...lineKinds.values()]);
  for (const pre of tokenizerKinds) kinds.delete(kindOf(pre));
  assert.is(kinds.size, 0, 'a pre-tokenizer has no fixture');
});
for (const file of tokenizerFiles) {
  test(file, async () => {
    const metadata = await metadataOf(file);
    compare(file, createTokenizer(metadata, file).encode, specialsOf(metadata));
  });
}
for (const pre of tokenizerKinds) {
  test(`pre-tokenizer '${pre}'`, () =>
    compare(`pairs:${pre}`, createTokenizer(pairsMetadata(pre), pre).encode, []));
}
test.run();
