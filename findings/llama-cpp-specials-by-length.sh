#!/usr/bin/env bash
# llama.cpp (node-llama-cpp 3.22.1) looks for special tokens by their length, not from the left.
#
# Guess: of two special tokens that overlap in a text the one that begins first is taken, and the
#        longest of those that begin there: so does every tokenizers library.
# Seen:  the longest token of the vocabulary is looked for in the whole text, then the next longest
#        in what is left. A longer token that begins inside a shorter one wins, and the shorter one
#        falls apart into bytes. @huggingface/tokenizers 0.2.0 goes from the left.
# Why:   the same vocabulary as GGUF and as tokenizer.json gives other tokens where markers share
#        their ends. A test with markers one after the other never shows it. recollect takes
#        llama.cpp's order, as its files are llama.cpp's.
# Fails if that changes. Needs Node 20 or newer, npm, Linux on x64.
. "$(dirname "$0")/lib/alone.sh"
alone --omit=optional @huggingface/tokenizers@0.2.0 node-llama-cpp@3.22.1 \
  @node-llama-cpp/linux-x64@3.22.1
cp "$lib/vocabulary.mjs" .
cat > overlap.mjs <<'JS'
import { Tokenizer } from '@huggingface/tokenizers';
import { getLlama } from 'node-llama-cpp';
import { bytes, writeVocabulary } from './vocabulary.mjs';

const control = ['[cut]', ']\n[next'];
writeVocabulary('v.gguf', { control });
const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'disabled' });
const model = await llama.loadModel({ modelPath: 'v.gguf', vocabOnly: true });

const vocab = Object.fromEntries([...bytes, 'Ġa'].map((token, id) => [token, id]));
const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
const tokenizer = new Tokenizer(
  {
    version: '1.0',
    added_tokens: control.map((content, i) => ({ id: 257 + i, content, special: true, ...flags })),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel' },
    model: { type: 'BPE', vocab, merges: [['Ġ', 'a']] },
  },
  {},
);
for (const text of ['[cut][cut]', '[cut]\n[next']) {
  console.log(JSON.stringify(text));
  console.log(`  llama.cpp:  ${model.tokenize(text, true)}`);
  console.log(`  tokenizers: ${tokenizer.encode(text).ids}`);
}
process.exit(0);
JS
output=$(node overlap.mjs)
echo "node $(node --version), node-llama-cpp 3.22.1, @huggingface/tokenizers 0.2.0"
echo "$output"
[ "$output" = '"[cut][cut]"
  llama.cpp:  257,257
  tokenizers: 257,257
"[cut]\n[next"
  llama.cpp:  91,99,117,116,258
  tokenizers: 257,10,91,110,101,120,116' ] ||
  { echo 'this has changed'; exit 1; }
