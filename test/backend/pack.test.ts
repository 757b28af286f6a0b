// How weights lie in memory, byte by byte: every type's blocks interleaved as its row of the table
// says, wherever rows come from.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type WeightType, weightRowBytes, weightTypes } from '../../src/backend/dtype.ts';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { detectBuild } from '../../src/backend/wasm/builds.ts';
import { createRandom } from '../../src/math/rng.ts';
import { PANEL_ROWS } from '../../build/generated/kernels.ts';

const test = suite('backend, packed weights');
const builds = detectBuild() === 'relaxed' ? (['simd', 'relaxed'] as const) : (['simd'] as const);
const GUARD = 0xa5;

/** A bit an element: that of element 4 i + j becomes bit i of byte j. */
function turnBits(word: Uint8Array): void {
  const given = word.slice();
  word.fill(0);
  for (let e = 0; e < 32; e++) word[e % 4] |= ((given[e >> 3] >> (e % 8)) & 1) << (e >> 2);
}

/** Q6_K's 52 words as they are read: scales; top bits and nibbles of either half. */
const orderOfQ6K = [
  [48, 4],
  [32, 8],
  [0, 16],
  [40, 8],
  [16, 16],
].flatMap(([first, count]) => Array.from({ length: count }, (_, i) => first + i));

/** Where fields of a block lie in the file, and their bytes, in the order in which they are packed. */
function fieldsOf({ name, lead, head, words, tail }: WeightType): (readonly [number, number])[] {
  const run = (at: number, count: number, size: number) =>
    Array.from({ length: count }, (_, i) => [at + i * size, size] as const);
  const bits = lead + 2 * head;
  const body = run(bits, words, 4);
  return [
    ...run(0, lead, 1),
    ...run(lead, head, 2),
    ...run(bits + 4 * words, tail, 2),
    ...(name === 'q6_k' ? orderOfQ6K.map((i) => body[i]) : body),
  ];
}

/** Rows of a file as groups of four, field by field; those that are missing are zeros. */
function interleaved(type: WeightType, file: Uint8Array, rows: number): Uint8Array {
  const rowBytes = file.length / rows;
  const blockBytes = weightRowBytes(type, type.elements);
  const turned =
    type.name.startsWith('q5_') && type.elements === 32 ? 1 : type.name === 'q1_0' ? 4 : 0;
  const firstWord = type.lead + type.head + type.tail;
  const out = new Uint8Array(Math.ceil(rows / PANEL_ROWS) * PANEL_ROWS * rowBytes);
  for (let row = 0; row < rows; row++) {
    let to = (row - (row % 4)) * rowBytes;
    for (let block = row * rowBytes; block < (row + 1) * rowBytes; block += blockBytes)
      for (const [i, [at, size]] of fieldsOf(type).entries()) {
        const field = file.slice(block + at, block + at + size);
        if (i >= firstWord && i < firstWord + turned) turnBits(field);
        out.set(field, to + (row % 4) * size);
        to += 4 * size;
      }
  }
  return out;
}

for (const build of builds)
  test(`${build}: every type, in place and copied`, () => {
    const backend = createWasmBackend({ build, threads: 1 });
    const random = createRandom(1);
    for (const type of weightTypes)
      for (const [rows, blocks] of [
        [1, 1],
        [6, 11],
        [29, 3],
      ]) {
        const columns = type.elements * blocks;
        const rowBytes = weightRowBytes(type, columns);
        const file = Uint8Array.from({ length: rows * rowBytes }, () => random() * 256);
        const expected = interleaved(type, file, rows);
        const address = backend.arena.allocate(expected.length + 1);
        const weight = { address, type, rows, columns };
        assert.is(backend.weightBytes(type, rows, columns), expected.length);
        for (const inPlace of [false, true]) {
          backend.bytes(address, expected.length + 1).fill(GUARD);
          // two pieces, as files come
          const first = Math.min(rows, 8);
          for (const [from, count] of [
            [0, first],
            [first, rows - first],
          ].filter(([, some]) => some > 0)) {
            const piece = file.subarray(from * rowBytes, (from + count) * rowBytes);
            const place = backend.rowsAt!(weight, from, count);
            if (inPlace) place.set(piece);
            backend.packRows(weight, from, count, inPlace ? place : piece);
          }
          const held = backend.bytes(address, expected.length + 1);
          const what = `${type.name}, [${rows}, ${columns}], in place: ${inPlace}`;
          assert.is(Buffer.compare(held.subarray(0, -1), expected), 0, what);
          assert.is(held.at(-1), GUARD, what);
        }
        backend.arena.free(address);
      }
    backend.dispose();
  });
test.run();
