#!/usr/bin/env bash
# uvu 0.5.6: equal() finds any two shared buffers equal, and typed arrays with the same NaN unequal.
#
# Guess: assert.equal compares buffers byte by byte, shared or not, and numbers in a Float32Array
#        like numbers elsewhere.
# Seen:  ArrayBuffers are compared by their bytes, SharedArrayBuffers by nothing, nor are Blobs,
#        promises, iterators or what lies in private fields. NaN equals NaN alone and in an array,
#        not in a typed array; 0 equals -0 everywhere.
# Why:   a test that two threads left the same memory behind passes whatever they left when it is
#        given the buffers, while masked scores with a NaN fail against themselves. Compare views
#        made with Uint8Array: their bits differ where the numbers do.
# Fails if that changes. Needs Node 20 or newer and npm.
. "$(dirname "$0")/lib/alone.sh"
alone uvu@0.5.6
cat > compare.mjs <<'JS'
import * as assert from 'uvu/assert';

const filled = (Buffer, value) => {
  const buffer = new Buffer(4);
  new Uint8Array(buffer).fill(value);
  return buffer;
};
const memory = (value) => {
  const { buffer } = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  new Uint8Array(buffer).fill(value);
  return buffer;
};
const pairs = {
  'ArrayBuffers of 1s and 2s': [filled(ArrayBuffer, 1), filled(ArrayBuffer, 2)],
  'SharedArrayBuffers of 1s and 2s': [filled(SharedArrayBuffer, 1), filled(SharedArrayBuffer, 2)],
  'buffers of shared wasm memories': [memory(1), memory(2)],
  'SharedArrayBuffers of 4 and 8 bytes': [new SharedArrayBuffer(4), new SharedArrayBuffer(8)],
  'views of shared 1s and 2s': [
    new Uint8Array(filled(SharedArrayBuffer, 1)),
    new Uint8Array(filled(SharedArrayBuffer, 2)),
  ],
  'Blobs of a and b': [new Blob(['a']), new Blob(['b'])],
  'NaN and NaN': [NaN, NaN],
  '[NaN] and [NaN]': [[NaN], [NaN]],
  'Float32Arrays of NaN': [Float32Array.of(NaN), Float32Array.of(NaN)],
  'Float32Arrays of 0 and -0': [Float32Array.of(0), Float32Array.of(-0)],
};
for (const [name, [one, other]] of Object.entries(pairs)) {
  let result = 'equal';
  try {
    assert.equal(one, other);
  } catch {
    result = 'not equal';
  }
  console.log(`${name}: ${result}`);
}
JS
output=$(node compare.mjs)
echo "node $(node --version), uvu 0.5.6"
echo "$output"
[ "$output" = "ArrayBuffers of 1s and 2s: not equal
SharedArrayBuffers of 1s and 2s: equal
buffers of shared wasm memories: equal
SharedArrayBuffers of 4 and 8 bytes: equal
views of shared 1s and 2s: not equal
Blobs of a and b: equal
NaN and NaN: equal
[NaN] and [NaN]: equal
Float32Arrays of NaN: not equal
Float32Arrays of 0 and -0: equal" ] ||
  { echo 'this has changed'; exit 1; }
