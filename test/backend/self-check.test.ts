// Whether a device is taken: what it gets wrong, how fast it is, and what it is.
import { runtime } from '#runtime';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Backend } from '../../src/backend/backend.ts';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { judge, openWebgpu } from '../../src/backend/webgpu/open.ts';
import { selfCheck } from '../../src/backend/webgpu/self-check.ts';
import { rejects } from '../rejects.ts';
import { skip } from '../skip.ts';

const test = suite('self-check');
const wasm = () => createWasmBackend({ threads: 1 });

test('the faster one is taken, the slower one left', async () => {
  const fast = wasm();
  const eightTimes = (work: () => void) => {
    for (let i = 0; i < 8; i++) work();
  };
  const slow: Backend = {
    ...fast,
    linear: (...given) => eightTimes(() => fast.linear(...given)),
    linearOne: (...given) => eightTimes(() => fast.linearOne(...given)),
  };
  const taken = await selfCheck(fast, slow, 'a device');
  assert.ok(taken.isGood);
  assert.match(taken.reason, /fastest here \(a device\): products of 128 rows [\d.]+ times, .*of/);
  const left = await selfCheck(slow, fast, 'a device');
  assert.not(left.isGood);
  assert.match(left.reason, /WebGPU is left: on its device \(a device\) products of 128 rows 0\./);
  assert.is(fast.arena.usedBytes, 0);
});

/** Each operation, off by a hundredth, or NaN. */
const broken: Readonly<Record<string, (b: Backend) => Partial<Backend>>> = {
  'a norm': (b) => ({
    rmsNorm: (y, x, w, n) => b.rmsNorm(y, x, w, n, 0.01),
  }),
  'a product of rows': (b) => ({
    linear(products, x, n) {
      b.linear(products, x, n);
      b.scale(products[0][0], 1.01, n);
    },
  }),
  'a product of one row': (b) => ({
    linearOne(products, x) {
      b.linearOne(products, x);
      b.write(products[0][0].address, Float32Array.of(Number.NaN));
    },
  }),
  attention: (b) => ({
    attention: (out, q, rows, T) => b.attention(out, q, rows, T, { window: 2 }),
  }),
};
for (const [what, breakIt] of Object.entries(broken))
  test(`${what} that is wrong is found`, async () => {
    const backend = wasm();
    const { isGood, reason } = await selfCheck({ ...backend, ...breakIt(backend) }, wasm(), 'it');
    assert.not(isGood);
    assert.match(reason, new RegExp(`${what} on its device \\(it\\) is off by (0\\.|NaN)`));
    assert.is(backend.arena.usedBytes, 0);
  });

test('where there is no device, WebGPU is refused, or left, with the reason', async () => {
  const none = { requestAdapter: async () => null } as unknown as GPU;
  await rejects(
    openWebgpu({ gpu: undefined }),
    'DeviceError',
    /'webgpu' was asked for, but there is no WebGPU here: .*npm install webgpu.*device 'wasm'/,
  );
  await rejects(openWebgpu({ gpu: none }), 'DeviceError', /gives no adapter/);
  const { isGood, reason } = await judge(none, wasm);
  assert.not(isGood);
  assert.match(reason, /WebGPU is left: WebGPU gives no adapter/);
});

const gpu = await runtime.gpu();
if (!gpu)
  skip('backend/self-check.test.js', 'a software device is left', 'there is no WebGPU here');
else
  test('a software device is left, and looked at once', async () => {
    let asked = 0;
    const counted = {
      requestAdapter(...options: Parameters<GPU['requestAdapter']>) {
        asked++;
        return gpu.requestAdapter(...options);
      },
    } as GPU;
    const verdicts = [await judge(counted, wasm), await judge(counted, wasm)];
    for (const { isGood, reason } of verdicts) {
      assert.not(isGood);
      assert.match(
        reason,
        /WebGPU is left: (its device \(.*\) is the CPU|WebGPU gives no adapter)/,
      );
    }
    assert.is(asked, 1);
  });
test.run();
