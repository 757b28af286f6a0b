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
. "$(dirname "$0")/lib/alone.sh"
alone --omit=optional node-llama-cpp@3.22.1 @node-llama-cpp/linux-x64@3.22.1
cp "$lib/vocabulary.mjs" .
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
