// Numbers as bytes of a weight: what others wrote comes out as it was, and what is rounded is
// rounded to the nearest.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { dequantize } from '../../src/backend/dequantize.ts';
import { weightTypes } from '../../src/backend/dtype.ts';
import { canQuantize, quantize } from '../../src/backend/quantize.ts';
import { readGguf } from '../../src/model/gguf.ts';
import { openSource } from '../../src/model/source.ts';
import { fixture } from '../fixtures.ts';

const test = suite('quantize');
for (const type of ['f32', 'f16', 'bf16', 'q8_0'] as const)
  test(`${type}: bytes that other software wrote come out as they were`, async () => {
    const bytes = readFileSync(fixture(`llama-${type}.gguf`));
    const { tensors } = await readGguf(await openSource(bytes));
    const own = tensors.filter((tensor) => tensor.type.name === type);
    assert.ok(own.length > 10);
    for (const { name, offset, byteLength, rows, columns } of own.slice(0, 12)) {
      const stored = bytes.subarray(offset, offset + byteLength);
      const again = quantize(type, dequantize(type, stored, rows * columns));
      assert.ok(Buffer.from(again).equals(stored), name);
    }
  });

const around = Float32Array.from({ length: 320 }, (_, i) => Math.sin(i * i) * 10 ** ((i % 7) - 4));
test('numbers become the nearest that there are', () => {
  const near = (type: 'f16' | 'bf16' | 'q8_0', error: (i: number) => number) => {
    const found = dequantize(type, quantize(type, around), around.length);
    for (const [i, x] of around.entries())
      assert.ok(Math.abs(found[i] - x) <= error(i), `${type} ${i}: ${x} became ${found[i]}`);
  };
  near('f16', (i) => Math.max(Math.abs(around[i]) * 2 ** -11, 2 ** -25));
  near('bf16', (i) => Math.abs(around[i]) * 2 ** -8);
  near('q8_0', (i) => {
    const block = around.subarray(i - (i % 32), i - (i % 32) + 32);
    const most = Math.max(...block.map(Math.abs));
    return (most / 127) * 0.5 + most * 2 ** -11 * 1.01; // half a step, and what its scale is off by
  });
});

test('ties: to even, and codes away from zero', () => {
  const halves = new Uint16Array(
    quantize('f16', new Float32Array([1 + 2 ** -11, 1 + 3 * 2 ** -11])).buffer,
  );
  assert.equal([...halves], [0x3c00, 0x3c02]);
  const brain = new Uint16Array(
    quantize('bf16', new Float32Array([1 + 2 ** -8, 1 + 3 * 2 ** -8])).buffer,
  );
  assert.equal([...brain], [0x3f80, 0x3f82]);
  const block = new Float32Array(32);
  block.set([127, -127, 2.5, -2.5]);
  assert.equal([...new Int8Array(quantize('q8_0', block).buffer, 2, 4)], [127, -127, 3, -3]);
  assert.equal([...quantize('q8_0', new Float32Array(32))], new Array(34).fill(0));
});

test('which types can be written', () => {
  const can = weightTypes.filter(({ name }) => canQuantize(name)).map(({ name }) => name);
  assert.equal(can.sort(), ['bf16', 'f16', 'f32', 'q8_0']);
});
test.run();
