// Threads on one memory: they change no bit of a result, start late, end early, and are missed by
// nobody when they die.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  chooseThreads,
  createWasmBackend,
  type WasmBackend,
} from '../../src/backend/wasm/backend.ts';
import { Board, BOARD_BYTES } from '../../src/backend/wasm/board.ts';
import { type Call, checkKernels, namesOf } from '../../src/backend/wasm/call.ts';
import { kernelArguments } from '../../build/generated/kernels.ts';
import { planRun } from '../../src/engine/plan.ts';
import { Run } from '../../src/engine/run.ts';
import { openConversation } from '../../src/index.ts';
import { loadModel } from '../../src/engine/model.ts';
import { Bench } from '../cases/bench.ts';
import { opScratch } from '../cases/case.ts';
import { conformanceCases } from '../cases/conformance.ts';
import { trainingCases } from '../cases/dense-gradients.ts';
import { gradientCases } from '../cases/gradient-cases.ts';
import { CpuBench } from '../cases/cpu-bench.ts';
import { kernelCases } from '../cases/kernels.ts';
import { bundled } from '../fixtures.ts';
import { planOptions } from '../plan-options.ts';

const test = suite('threads');
/** Shares whatever can be cut. */
const shared = () => createWasmBackend({ build: 'simd', threads: 3, worthSharing: 0 });
const reserve = (b: WasmBackend) => b.reserveScratch(opScratch);

const ops = new RegExp(
  `^(${[
    'linear(One)? (f32|q8_0|q4_k|q6_k)',
    'attention (f16|int4|with cap and sinks f16)',
    'observe.* f16',
    'rmsNorm|glu|gateBySigmoid|squaredRelu|multiplyColumns|rope|add|kmeans|product',
    'convolve|deltaNet|mamba2|gatedNorm',
    'route|experts',
  ].join('|')})`,
);
test('every bit of a result is the same, and nothing is written beside it', async () => {
  const backends = [shared(), createWasmBackend('simd')];
  for (const backend of backends) reserve(backend);
  const [three, one] = backends;
  let cases = 0;
  const alike = async <B extends Bench>(
    what: string,
    benches: readonly B[],
    run: (b: B) => number[] | Promise<number[]>,
  ) => {
    const [found, wanted] = await Promise.all(benches.map(run));
    assert.equal(found, wanted, what);
    await benches[0].check();
    for (const bench of benches) bench.dispose();
    cases++;
  };
  for (const { op, sizes, more = [], run } of conformanceCases.filter(({ op }) => ops.test(op)))
    for (const [seed, size] of [...sizes, ...more].entries()) {
      const benches = backends.map((backend) => new Bench(backend, seed));
      await alike(`${op} [${size}]`, benches, (bench) => run(bench, size));
    }
  const kernels = kernelCases.filter(({ op }) => ops.test(op));
  for (const { op, sizes, run } of [...kernels, ...gradientCases, ...trainingCases])
    for (const [seed, size] of sizes.entries()) {
      const benches = backends.map((backend) => new CpuBench(backend, seed));
      await alike(`${op} [${size}]`, benches, (bench) => run(bench, size));
    }
  one.dispose();
  assert.ok(cases > 100);
  assert.is(three.team!.workers.length, 2);
  three.dispose();
  assert.is(three.team!.workers.length, 0);
});

test('a model gives the same log-odds with 1, 2 and 3 threads', async () => {
  const found = await Promise.all(
    [1, 2, 3].map(async (threads) => {
      using model = await loadModel(bundled('recollect-tiny.gguf'), {
        build: 'simd',
        device: createWasmBackend({ build: 'simd', threads, worthSharing: 0 }),
      });
      const run = new Run(
        model.executor,
        planRun(model.executor, planOptions('snapkv', { budget: { tokens: 60 }, blockSize: 64 })),
      );
      const tokens = Array.from({ length: 200 }, (_, i) => (i * 7919) % model.config.vocabulary);
      for (let i = 0; i < tokens.length; i += 64) await run.step(tokens.slice(i, i + 64));
      await run.append([1]);
      const logits = [...(await run.logits(0))];
      run.dispose();
      return logits;
    }),
  );
  assert.equal(found[1], found[0]);
  assert.equal(found[2], found[0]);
});

test('threads start with the first work, stop with the last conversation, and start again', async () => {
  const backend = shared();
  using model = await loadModel(bundled('recollect-tiny.gguf'), { device: backend });
  assert.is(backend.team!.workers.length, 0, 'loading needs none');
  for (let round = 0; round < 2; round++) {
    const conversation = openConversation(model, { budget: 128, policy: 'snapkv' });
    assert.is(backend.team!.workers.length, 0);
    await conversation.ask('What is the name of the dog?').text();
    assert.is(backend.team!.workers.length, 2);
    conversation.dispose();
    assert.is(backend.team!.workers.length, 0);
  }
});

test('threads that are killed are not waited for', async () => {
  const backend = shared();
  const release = reserve(backend);
  const [x, y] = [backend.arena.allocate(4 * 4096), backend.arena.allocate(4 * 4096)];
  backend.floats(x, 4096).fill(1);
  const add = () => backend.add({ address: y, columns: 64 }, { address: x, columns: 64 }, 64);
  backend.floats(y, 4096).fill(0);
  add();
  assert.is(backend.threads, 3);
  for (const worker of backend.team!.workers) worker.terminate();
  assert.is(backend.threads, 1, 'threads that died are not reported');
  assert.match(backend.team!.fallback!, /thread 2 of 3 stopped/);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const begin = performance.now();
  for (let i = 1; i < 50; i++) add();
  // one wait for a thread that is gone would take longer
  assert.ok(performance.now() - begin < 15_000);
  assert.ok(backend.floats(y, 4096).every((v) => v === 50));
  release();
  backend.dispose();
});

test('a kernel that fails is an error, once and for all', () => {
  const backend = shared();
  reserve(backend);
  const wild = { address: 2 ** 31, columns: 64 };
  for (let i = 0; i < 2; i++) {
    assert.throws(
      () => backend.add(wild, wild, 64),
      (e: Error) => e.name === 'DeviceError' && /load it again/.test(e.message),
    );
  }
  backend.dispose();
});

test('a call that is taken and never finished is an error, not a hang', () => {
  const buffer = new SharedArrayBuffer(BOARD_BYTES);
  const kernels: Record<string, () => void> = { work() {} };
  // while this thread makes its own call, another takes one and dies
  kernels.work = () => {
    const control = new Int32Array(buffer, 0, 1);
    if ((control[0] & 1) === 1) Atomics.sub(control, 0, 1);
  };
  const board = new Board(kernels, 0, buffer, 50);
  const work = [namesOf(kernels).indexOf('work')] as readonly number[] as Call;
  board.run([work]);
  assert.throws(
    () => board.run([work, work]),
    (e: Error) => e.name === 'DeviceError' && /did not finish/.test(e.message),
  );
});

test('kernels that take other arguments than the program was compiled for are refused', () => {
  const kernels: Record<string, unknown> = Object.fromEntries(
    Object.entries(kernelArguments).map(([name, count]) => [
      name,
      Object.defineProperty(() => {}, 'length', { value: count }),
    ]),
  );
  checkKernels(kernels);
  for (const [rms_norm, what] of [
    [(a: number) => a, /rms_norm takes 1 arguments, expected 6/],
    [undefined, /rms_norm is missing/],
  ] as const)
    assert.throws(
      () => checkKernels({ ...kernels, rms_norm }),
      (e: Error) => e.name === 'DeviceError' && what.test(e.message),
    );
});

test('how many threads: what was asked for, or what there is', () => {
  assert.is(chooseThreads(3), 3);
  assert.ok(chooseThreads('auto') >= 1);
  for (const wrong of [0, -1, 1.5, 17, Number.NaN]) {
    assert.throws(
      () => chooseThreads(wrong),
      (e: Error) => e.name === 'OptionError' && /from 1 to 16/.test(e.message),
    );
  }
});
test.run();
