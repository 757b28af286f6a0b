#!/usr/bin/env bash
# llama.cpp (node-llama-cpp 3.22.1) drops spaces of decoded text in Llama 3's kind of vocabulary.
#
# Guess: a byte-level vocabulary decodes to the bytes that were encoded, whatever the file's name
#        for its pre-tokenizer: that name says how text is cut, not how it is put together.
# Seen:  for some names, llama-bpe and gpt-2 among them, detokenize() takes away the space before
#        ? ! . , and before 's 'm 're 've (not before 't 'd 'll), and those around a lone '; for
#        qwen2's it does not. Token by token nothing is taken away, so that a reply that is
#        streamed and the same reply decoded at once differ.
# Why:   code (a ? b : c), tables and quotations come back changed, and text that is decoded and
#        encoded again is another prompt. recollect's decode gives the text back under every name.
# Fails if that changes. Needs Node 20 or newer, npm, Linux on x64.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --no-audit --no-fund --silent --omit=optional \
  node-llama-cpp@3.22.1 @node-llama-cpp/linux-x64@3.22.1
cat > vocabulary.mjs <<'JS'
import { writeFileSync } from 'node:fs';

/** GPT-2's characters for the 256 bytes. */
const plain = (byte) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
let next = 256;
export const bytes = Array.from({ length: 256 }, (_, byte) =>
  String.fromCodePoint(plain(byte) ? byte : next++),
);

/** A GGUF file that holds a byte-level vocabulary with control tokens, and no weights. */
export function writeVocabulary(path, { name = 'a', pre = 'gpt-2', control = [] }) {
  const parts = [];
  const number = (value, size = 4) => {
    const part = Buffer.alloc(size);
    part.writeUIntLE(value, 0, Math.min(size, 6));
    parts.push(part);
  };
  const text = (value) => {
    number(Buffer.byteLength(value), 8);
    parts.push(Buffer.from(value));
  };
  const key = (label, value) => {
    text(label);
    const write = (one) => (typeof one === 'string' ? text(one) : number(one));
    const code = (one) => (typeof one === 'string' ? 8 : 5);
    if (!Array.isArray(value)) number(code(value)), write(value);
    else {
      for (const part of [9, code(value[0])]) number(part);
      number(value.length, 8);
      value.forEach(write);
    }
  };
  const tokens = [...bytes, 'Ġa', ...control];
  parts.push(Buffer.from('GGUF'));
  number(3), number(0, 8), number(7, 8);
  key('general.architecture', 'llama');
  key('general.name', name);
  key('tokenizer.ggml.model', 'gpt2');
  key('tokenizer.ggml.pre', pre);
  key('tokenizer.ggml.tokens', tokens);
  key('tokenizer.ggml.token_type', tokens.map((_, id) => (id < 257 ? 1 : 3)));
  key('tokenizer.ggml.merges', ['Ġ a']);
  parts.push(Buffer.alloc((32 - (Buffer.concat(parts).length % 32)) % 32));
  writeFileSync(path, Buffer.concat(parts));
}
JS
cat > decode.mjs <<'JS'
import { getLlama } from 'node-llama-cpp';
import { writeVocabulary } from './vocabulary.mjs';

const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'disabled' });
const text = "a ? b : c , it 's ' q ' don 't [ . ] !";
for (const pre of ['gpt-2', 'llama-bpe', 'qwen2']) {
  writeVocabulary('v.gguf', { pre });
  const model = await llama.loadModel({ modelPath: 'v.gguf', vocabOnly: true });
  const tokens = model.tokenize(text);
  const single = tokens.map((token) => model.detokenize([token])).join('');
  console.log(`${pre}: ${model.detokenize(tokens)} | one by one ${single === text}`);
  await model.dispose();
}
process.exit(0);
JS
output=$(node decode.mjs)
echo "node $(node --version), node-llama-cpp 3.22.1"
echo "$output"
[ "$output" = "gpt-2: a? b : c, it's'q'don 't [. ]! | one by one true
llama-bpe: a? b : c, it's'q'don 't [. ]! | one by one true
qwen2: a ? b : c , it 's ' q ' don 't [ . ] ! | one by one true" ] ||
  { echo 'this has changed'; exit 1; }
