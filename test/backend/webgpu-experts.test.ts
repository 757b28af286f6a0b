// Layers of experts on a device beside the reference: matrices that lie in several buffers, which
// begin and end inside of experts, and which kernels there are for few pairs and for many.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Backend } from '../../src/backend/backend.ts';
import { type WeightName, weightTypes } from '../../src/backend/dtype.ts';
import { type ExpertMatrix, expertRows } from '../../src/backend/experts.ts';
import { createReferenceBackend } from '../../src/backend/reference.ts';
import { createWebgpuBackend } from '../../src/backend/webgpu/backend.ts';
import type { OpenDevice } from '../../src/backend/webgpu/device.ts';
import { Bench } from '../cases/bench.ts';
import { drawnChoice } from '../cases/experts.ts';
import { weightFile } from '../cases/weight-file.ts';
import { openTestDevice } from '../gpu.ts';
import { skip } from '../skip.ts';
import { compareNumbers } from '../suites/oracle.ts';

const [E, D, F] = [3, 160, 298];
const TOKENS = 26;

/** A matrix of every expert, packed an expert at a time. */
function matrix(bench: Bench, name: WeightName, m: number, columns: number): ExpertMatrix {
  const { backend } = bench;
  const type = weightTypes.find((one) => one.name === name)!;
  const rows = E * expertRows(m);
  const address = backend.arena.plan(backend.weightBytes(type, rows, columns));
  const weight = { address, type, rows, columns };
  for (let e = 0; e < E; e++)
    backend.packRows(weight, e * expertRows(m), m, weightFile(bench, type, m, columns));
  return { weight, bias: { ...bench.vector(E * m), columns: m } };
}

/** What a layer of experts makes of T tokens, each of which goes to `used`. */
async function run(backend: Backend, T: number, used: number): Promise<number[]> {
  const bench = new Bench(backend, 1);
  const matrices = {
    gate: matrix(bench, 'f32', F, D),
    up: matrix(bench, 'f32', F, D),
    down: matrix(bench, 'f16', D, F),
  };
  const [x, y] = [bench.tensor(T, D), bench.empty(T, D)];
  const choice = drawnChoice(bench, T, E, used);
  backend.experts!.apply(y, x, T, choice, { ...matrices, activation: 'silu' });
  const found = await bench.floats(y, T);
  await bench.check();
  bench.dispose();
  for (const { weight } of Object.values(matrices)) backend.arena.free(weight.address);
  return found;
}

const opened = await openTestDevice();
if ('reason' in opened)
  skip('backend/webgpu-experts.test.js', 'experts on a device', opened.reason);
else testExperts(opened.device);

function testExperts(device: OpenDevice): void {
  const test = suite('webgpu experts');

  test('a matrix of all experts may lie in several buffers', async () => {
    const small: OpenDevice = Object.create(device, {
      bindingBytes: { value: 1 << 19 },
      isSoftware: { value: false },
    });
    const backend = await createWebgpuBackend(small);
    const shape = { experts: E, used: 2, width: D, inner: F };
    const heads = { queryHeads: 1, kvHeads: 1, headDim: 4, width: F };
    backend.reserveScratch({ tokens: TOKENS / 2, ...heads, experts: shape });
    for (const [T, used, kernel] of [
      [2, 2, 'expert-one'],
      [TOKENS, 1, 'expert-tile'],
    ] as const) {
      const before = backend.usage.byKernel[kernel] ?? 0;
      const found = await run(backend, T, used);
      // gate and up are in two buffers each, down in one
      assert.is(backend.usage.byKernel[kernel] - before, 5);
      const wanted = await run(createReferenceBackend(), T, used);
      compareNumbers(`${T} tokens`, found, wanted, 1e-5);
    }
    backend.dispose();
  });
  test.run();
}
