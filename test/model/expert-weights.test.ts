// Matrices of many experts on their way from a file into memory: wherever pieces end, each expert
// begins a group of rows.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { weightTypes } from '../../src/backend/dtype.ts';
import { expertRows } from '../../src/backend/experts.ts';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { readConfig } from '../../src/model/config.ts';
import { readGguf } from '../../src/model/gguf.ts';
import { openSource } from '../../src/model/source.ts';
import { EMBEDDING, pieceRows } from '../../src/model/tensors.ts';
import { createWeights } from '../../src/model/weights.ts';
import { smallLlama, writeGguf } from '../gguf-writer.ts';

const test = suite('weights of experts');
const [f32] = weightTypes;

/** Each row's first number is its own. */
const stored = (rows: number, columns: number) =>
  Float32Array.from({ length: rows * columns }, (_, i) => (i % columns === 0 ? i / columns : 0.5));

for (const [E, m, columns] of [
  [3, 5, 8],
  [4, 8, 6],
  [1, 3, 4],
  [6, 27, 40_000], // some pieces, of one expert each
  [2, 28, 40_000],
])
  test(`${E} of [${m}, ${columns}]`, async () => {
    const source = await openSource(writeGguf(smallLlama()));
    const config = readConfig((await readGguf(source)).metadata, source.name);
    const backend = createWasmBackend({ build: 'simd', threads: 1 });
    const release = backend.reserveScratch({
      tokens: 1,
      queryHeads: 1,
      kvHeads: 1,
      headDim: 4,
      width: columns,
    });
    const rows = E * m;
    const byteLength = rows * columns * 4;
    const tensor = { name: EMBEDDING, type: f32, rows, columns, experts: E, offset: 0, byteLength };
    const store = createWeights(backend, { ...config, layerSpecs: [] }, [tensor], {
      first: 0,
      end: 0,
    });
    const bytes = new Uint8Array(stored(rows, columns).buffer);
    const step = pieceRows(tensor);
    for (let row = 0; row < rows; row += step) {
      const count = Math.min(step, rows - row);
      store.put(tensor, row, count, bytes.slice(row * columns * 4, (row + count) * columns * 4));
    }
    const { embedding, bytes: held } = store.finish();
    assert.is(embedding!.rows, E * expertRows(m));
    assert.is(held, backend.weightBytes(f32, E * expertRows(m), columns));
    const [ids, y] = [4 * rows, byteLength].map((count) => backend.arena.allocate(count));
    const places = Array.from({ length: rows }, (_, i) => {
      const e = Math.floor(i / m);
      return e * expertRows(m) + i - e * m;
    });
    backend.write(ids, Int32Array.from(places));
    backend.embed({ address: y, columns }, embedding!, ids, rows);
    const found = await backend.readFloats(y, rows * columns);
    assert.ok(found.every((x, i) => x === (i % columns === 0 ? i / columns : 0.5)));
    release();
    backend.dispose();
  });
test.run();
