// The WebAssembly backend in every build, and what is its own: the choice of a build, the arena.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createArena } from '../../src/backend/arena.ts';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { compileKernels, detectBuild } from '../../src/backend/wasm/builds.ts';
import { createCore, plainInstance } from '../../src/backend/wasm/core.ts';
import { kernelBytes } from '../fixtures.ts';
import { skip } from '../skip.ts';
import { backendSuite } from '../suites/backend.ts';
import { kernelSuite } from '../suites/kernels.ts';

const hasRelaxed = detectBuild() === 'relaxed';

for (const [build, bytes] of [
  ['simd', 'simd'],
  ['debug', kernelBytes('debug')],
  ...(hasRelaxed ? ([['relaxed', 'relaxed']] as const) : []),
] as const) {
  backendSuite({ name: 'wasm', build }, () => createWasmBackend(bytes));
  kernelSuite({ name: 'wasm', build }, () => createWasmBackend(bytes));
}
if (!hasRelaxed)
  skip(
    'backend/wasm.test.js',
    'everything in the relaxed-SIMD build',
    `Node ${process.version} has no relaxed SIMD, Node 22 has`,
  );

const builds = suite('kernel builds');
builds('each build is what its name says', () => {
  assert.is(createCore(compileKernels('simd')).kernels.relaxed_simd(), 0);
  if (hasRelaxed) assert.is(createCore(compileKernels('relaxed')).kernels.relaxed_simd(), 1);
});
builds('a build that cannot run here is refused, auto takes the best', () => {
  if (hasRelaxed) assert.is(createCore(compileKernels('auto')).build, 'relaxed');
  else {
    assert.is(createCore(compileKernels('auto')).build, 'simd');
    assert.throws(
      () => createCore(compileKernels('relaxed')),
      (e: Error) => e.name === 'OptionError' && /simd.*auto/.test(e.message),
    );
  }
});
builds('a thread that starts on a memory in use clears no table there', () => {
  const others = hasRelaxed ? (['simd', 'relaxed'] as const) : (['simd'] as const);
  for (const build of [...others, kernelBytes('debug')]) {
    const { kernels, memory, module } = createCore(compileKernels(build));
    const [first, second] = [0, 1].map((type) => kernels.weight_type(type));
    const end = first + kernels.weight_types() * (second - first);
    const behind = new Uint8Array(memory.buffer, end, second - first).fill(0xaa);
    plainInstance(module, { memory });
    assert.ok(
      behind.every((byte) => byte === 0xaa),
      'a segment was laid over the table of weight types',
    );
  }
});
builds.run();

const arena = suite('arena');
arena('regions are aligned, apart, and reused', () => {
  let end = 0;
  const a = createArena(10, 1024, (e) => {
    end = Math.max(end, e);
  });
  const [x, y] = [a.allocate(1), a.allocate(65)];
  assert.equal([x % 64, y % 64], [0, 0]);
  assert.ok(y - x >= 64);
  assert.is(a.usedBytes, 64 + 128);
  a.free(x);
  assert.is(a.allocate(64), x);
  assert.is(end, y + 128);
});
arena('neighbours that are free become one', () => {
  const a = createArena(0, 256, () => {});
  const all = [a.allocate(64), a.allocate(64), a.allocate(64), a.allocate(64)];
  assert.throws(
    () => a.allocate(1),
    (e: Error) => e.name === 'DeviceError' && /no room/.test(e.message),
  );
  for (const at of [all[2], all[0], all[1]]) a.free(at);
  assert.is(a.allocate(192), all[0]);
  assert.throws(() => a.free(12345), /not allocated/);
});
arena.run();
