// Types whose codes are numbers of a grid's entries: what the definition and the kernels make of
// blocks, to the bit, beside an independent decoder (test/fixtures).
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { dequantize } from '../../src/backend/dequantize.ts';
import { type WeightName, weightTypes } from '../../src/backend/dtype.ts';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { CpuBench } from '../cases/cpu-bench.ts';
import { fixture, readJson } from '../fixtures.ts';

const blocks = readJson<Record<string, { bytes: string; numbers: string }>>(
  fixture('grid-blocks.json'),
);
const COLUMNS = 512;
const decode = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));

const test = suite('weights with grids');
for (const [name, { bytes, numbers }] of Object.entries(blocks))
  test(name, () => {
    const wanted = [...new Float32Array(decode(numbers).buffer)];
    assert.equal([...dequantize(name as WeightName, decode(bytes), COLUMNS)], wanted);
    const backend = createWasmBackend('simd');
    backend.reserveScratch({ tokens: 1, queryHeads: 1, kvHeads: 1, headDim: 8, width: COLUMNS });
    const bench = new CpuBench(backend, 1);
    const type = weightTypes.find((one) => one.name === name)!;
    const weight = bench.weight(type, 1, COLUMNS);
    backend.packRows(weight, 0, 1, decode(bytes));
    assert.equal(bench.read(weight, 1), wanted);
    backend.dispose();
  });
test.run();
