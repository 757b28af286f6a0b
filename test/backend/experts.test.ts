// Layers of experts: room that was not reserved is refused, before anything is written.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { CpuBench } from '../cases/cpu-bench.ts';
import { drawnChoice, drawnLayer } from '../cases/experts.ts';

const test = suite('layers of experts');
const [E, USED, D, F] = [5, 2, 64, 128];

test('scratch for fewer tokens than there are is refused', () => {
  const backend = createWasmBackend('simd');
  const heads = { queryHeads: 1, kvHeads: 1, headDim: 8, width: 8 };
  const experts = { experts: E, used: USED, width: D, inner: F };
  backend.reserveScratch({ tokens: 4, ...heads, experts });
  const inputs = new CpuBench(backend, 1);
  const kind = { up: 'q8_0', down: 'q8_0', activation: 'gelu' } as const;
  const layer = drawnLayer(inputs, kind, [E, D, F]);
  const [x, y] = [inputs.tensor(9, D), inputs.tensor(9, D)];
  const choice = drawnChoice(inputs, 9, E, USED);
  const before = inputs.read(y, 9);
  assert.throws(
    () => backend.experts!.apply(y, x, 9, choice, layer),
    /^\d+ bytes of scratch are needed, \d+ are reserved$/,
  );
  assert.equal(inputs.read(y, 9), before);
  backend.experts!.apply(y, x, 4, choice, layer);
  assert.not.equal(inputs.read(y, 4), before.slice(0, 4 * D));
  backend.dispose();
});
test.run();
