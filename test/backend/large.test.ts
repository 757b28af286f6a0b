// Every operation has a size that benches time.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { largeCases, operationsOf, record } from '../cases/large.ts';

const test = suite('sizes for benches');
test('every operation has one, and says what there is to do', async () => {
  const timed = new Set<string>();
  let operations: string[] = [];
  for (const large of largeCases) {
    const backend = createWasmBackend('simd');
    backend.reserveScratch({
      tokens: 256,
      queryHeads: 9,
      kvHeads: 3,
      headDim: 64,
      width: 1536,
      clusters: 16,
    });
    operations = operationsOf(backend);
    for (const name of (await record(large, backend)).names) timed.add(name);
    assert.ok((large.flops ?? large.bytes ?? 0) > 0, large.op);
    backend.dispose();
  }
  assert.equal(
    operations.filter((name) => !timed.has(name)),
    [],
    'give them a size in test/cases/large.ts',
  );
});
test.run();
