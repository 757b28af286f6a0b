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
. "$(dirname "$0")/lib/alone.sh"
alone --omit=optional node-llama-cpp@3.22.1 @node-llama-cpp/linux-x64@3.22.1
cp "$lib/vocabulary.mjs" .
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
