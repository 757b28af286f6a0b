#!/usr/bin/env bash
# @huggingface/gguf 0.4.6 decodes a long list again from its beginning for each 2 MB that arrive.
#
# Guess: a header of n texts costs n decodings however it arrives; that bytes are fetched in ranges
#        changes how long one waits, not how much is done.
# Seen:  each byte is fetched once, but when a list reaches over the end of what is there, its
#        reading is given up, more is fetched and the whole list is read anew. 80,000 texts are
#        decoded 1.0 times each, 160,000 1.6 times, 320,000 2.9 times: work grows with the square.
# Why:   vocabularies have grown to 262,144 tokens, merges to twice that, lists of some MB each: a
#        page's thread is busy for seconds before the first weight arrives, and the strings of all
#        tries are garbage. recollect reads a list once, a quarter of a MiB at a time.
# Fails if that changes. Needs Node 20 or newer and npm.
. "$(dirname "$0")/lib/alone.sh"
alone @huggingface/gguf@0.4.6
cat > read.mjs <<'JS'
import { gguf } from '@huggingface/gguf';

/** A header with one list of texts. */
function header(count) {
  const parts = [];
  const number = (value, size) => {
    const part = Buffer.alloc(size);
    part.writeUInt32LE(value);
    parts.push(part);
  };
  const text = (value) => {
    number(value.length, 8);
    parts.push(Buffer.from(value));
  };
  parts.push(Buffer.from('GGUF'));
  number(3, 4), number(0, 8), number(2, 8);
  text('general.architecture'), number(8, 4), text('llama');
  text('tokenizer.ggml.tokens'), number(9, 4), number(8, 4), number(count, 8);
  for (let i = 0; i < count; i++) text(`token ${String(i).padStart(6)}`);
  return Buffer.concat(parts);
}

let decoded = 0;
const { decode } = TextDecoder.prototype;
TextDecoder.prototype.decode = function (...rest) {
  decoded++;
  return decode.apply(this, rest);
};
for (const count of [80_000, 160_000, 320_000]) {
  const file = header(count);
  let sent = 0;
  const fetch = async (_url, { headers }) => {
    const [begin, last] = headers.Range.match(/\d+/g).map(Number);
    const body = file.subarray(begin, last + 1);
    sent += body.length;
    const range = `bytes ${begin}-${begin + body.length - 1}/${file.length}`;
    return new Response(body, { status: 206, headers: { 'content-range': range } });
  };
  decoded = 0;
  const { metadata } = await gguf('http://127.0.0.1/a.gguf', { fetch });
  const times = (decoded / metadata['tokenizer.ggml.tokens'].length).toFixed(1);
  console.log(`${count} texts: bytes fetched ${sent / file.length}, decoded ${times} times each`);
}
JS
output=$(node read.mjs)
echo "node $(node --version), @huggingface/gguf 0.4.6"
echo "$output"
[ "$output" = "80000 texts: bytes fetched 1, decoded 1.0 times each
160000 texts: bytes fetched 1, decoded 1.6 times each
320000 texts: bytes fetched 1, decoded 2.9 times each" ] ||
  { echo 'this has changed'; exit 1; }
