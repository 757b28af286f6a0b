#!/usr/bin/env bash
# llama.cpp (node-llama-cpp 3.22.1) tokenizes by the model's name: one that says phi3 loses spaces.
#
# Guess: general.name is a label for people. Two files that differ in it only read the same tokens.
# Seen:  where the name contains phi-3 or phi3, in any case and place, control tokens swallow the
#        white space behind them, line breaks too. No key of the file says so, and none can say
#        otherwise: a fine-tune of Phi-3 under a name of its own reads other tokens than its parent,
#        and a model of another family that names Phi-3 as its teacher loses the line breaks
#        behind its role markers, or does not load at all, as </s> and three more are then needed.
# Why:   renaming a model on conversion changes its answers, and a tokenizer in JavaScript that is
#        made from the keys alone differs for such files. recollect follows the name, as llama.cpp.
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
cat > names.mjs <<'JS'
import { getLlama } from 'node-llama-cpp';
import { writeVocabulary } from './vocabulary.mjs';

const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'disabled' });
const control = ['<s>', '</s>', '<unk>', '<|endoftext|>', '<|user|>', '<|end|>'];
for (const name of ['Phi-3-mini', 'Tiny', 'Tiny, taught by phi3']) {
  writeVocabulary('v.gguf', { name, control });
  const model = await llama.loadModel({ modelPath: 'v.gguf', vocabOnly: true });
  const tokens = model.tokenize('<|user|>\n  Hi<|end|>\n', true);
  const pieces = tokens.map((token) => model.detokenize([token], true));
  console.log(`${name}: ${JSON.stringify(pieces)}`);
  await model.dispose();
}
writeVocabulary('v.gguf', { name: 'Tiny, taught by phi3', control: ['<|user|>', '<|end|>'] });
const loaded = llama.loadModel({ modelPath: 'v.gguf', vocabOnly: true });
console.log(`without </s>: ${await loaded.then(() => 'loads', (error) => error.message)}`);
process.exit(0);
JS
output=$(node names.mjs)
echo "node $(node --version), node-llama-cpp 3.22.1"
echo "$output"
[ "$output" = 'Phi-3-mini: ["<|user|>","H","i","<|end|>"]
Tiny: ["<|user|>","\n"," "," ","H","i","<|end|>","\n"]
Tiny, taught by phi3: ["<|user|>","H","i","<|end|>"]
without </s>: Failed to load model' ] ||
  { echo 'this has changed'; exit 1; }
