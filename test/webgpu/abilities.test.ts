// A device that has the least: no subgroups, no halves in arithmetic, limits as every device has
// them. What kernels need beyond that would be missed here.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runtime } from '#runtime';
import { shaders } from '../../build/generated/shaders.ts';
import type { Backend } from '../../src/backend/backend.ts';
import { weightTypes } from '../../src/backend/dtype.ts';
import { createWebgpuBackend } from '../../src/backend/webgpu/backend.ts';
import { openDevice } from '../../src/backend/webgpu/device.ts';
import { kindsOf, weightShader } from '../../src/backend/webgpu/weight-types.ts';
import { Bench } from '../cases/bench.ts';
import { opScratch, toleranceOf } from '../cases/case.ts';
import { conformanceCases } from '../cases/conformance.ts';
import { openTestDevice } from '../gpu.ts';
import { skip } from '../skip.ts';
import { compareNumbers, wantedOf } from '../suites/oracle.ts';

const test = suite('webgpu, a device with the least');
const opened = await openTestDevice();
if ('reason' in opened) skip('webgpu/abilities.test.js', 'the least device', opened.reason);
else {
  opened.backend.dispose();
  const openLeast = async () => openDevice(await runtime.gpu(), ['subgroups']);

  test('every shader compiles', async () => {
    const { gpu, abilities, close } = await openLeast();
    assert.equal(abilities, { subgroups: false });
    for (const feature of ['shader-f16', 'subgroups']) assert.not(gpu.features.has(feature));
    const weights = weightShader(kindsOf(weightTypes));
    for (const [name, own] of Object.entries(shaders)) {
      const code = own.includes('weight4(') ? `${own}\n${weights}` : own;
      gpu.pushErrorScope('validation');
      const module = gpu.createShaderModule({ code });
      const { messages } = await module.getCompilationInfo();
      const found = messages.filter(({ type }) => type === 'error').map((one) => one.message);
      assert.equal(found, [], name);
      assert.is(await gpu.popErrorScope(), null, name);
    }
    close();
  });

  test('and computes: a norm, products, attention', async () => {
    const backend = await createWebgpuBackend(await openLeast());
    assert.is(backend.build, 'base');
    backend.reserveScratch(opScratch);
    for (const op of ['rmsNorm', 'linear q8_0', 'attention f16']) {
      const one = conformanceCases.find((each) => each.op === op)!;
      const size = one.sizes[one.sizes.length - 1];
      const run = async (own: Backend) => {
        const bench = new Bench(own, 1);
        const numbers = await one.run(bench, size);
        await bench.check();
        bench.dispose();
        return numbers;
      };
      const found = await run(backend);
      const wanted = await wantedOf(`the least device: ${op}`, run);
      compareNumbers(op, found, wanted, toleranceOf(one, true));
    }
    backend.dispose();
  });

  test('who gives WebGPU is asked for once: devices end with what they came from', async () => {
    assert.is(await runtime.gpu(), await runtime.gpu());
  });
}
test.run();
