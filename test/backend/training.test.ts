// Operations of training that are no gradient of one case: held against something that shares
// nothing with them.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CpuBackend } from '../../src/backend/cpu/memory.ts';
import { createReferenceBackend } from '../../src/backend/reference.ts';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { opScratch } from '../cases/case.ts';
import { CpuBench } from '../cases/cpu-bench.ts';

const test = suite('backend/training');
const created = (threads: number): CpuBackend => {
  const backend = createWasmBackend({ build: 'simd', threads, worthSharing: 0 });
  backend.reserveScratch({ ...opScratch, tokens: 80, training: true });
  return backend;
};
const both = (): CpuBackend[] => [created(1), createReferenceBackend(8 << 20)];

function close(found: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number): void {
  assert.is(found.length, wanted.length);
  for (let i = 0; i < wanted.length; i++)
    assert.ok(
      Math.abs(found[i] - wanted[i]) <= tolerance * Math.max(1, Math.abs(wanted[i])),
      `number ${i}: ${found[i]}, expected ${wanted[i]}`,
    );
}

test('attention of a batch is that of a cache, sequence by sequence', () => {
  const [queryHeads, kvHeads, d, T] = [4, 2, 24, 80];
  const sequences = [
    { from: 0, count: 7 },
    { from: 7, count: 73 },
  ];
  for (const backend of both())
    for (const window of [undefined, 5]) {
      const b = new CpuBench(backend, 1);
      const q = b.tensor(T, queryHeads * d);
      const [k, v] = [b.tensor(T, kvHeads * d), b.tensor(T, kvHeads * d)];
      const [dense, cached] = [b.empty(T, queryHeads * d), b.empty(T, queryHeads * d)];
      const how = { queryHeads, kvHeads, headDim: d, window, sequences };
      b.training.denseAttention(dense, b.empty(T, queryHeads), { q, k, v }, how);
      for (const { from, count } of sequences) {
        const cache = backend.createCache({
          kvHeads,
          headDim: d,
          rowType: 'f32',
          keptRows: [0],
          room: count,
        });
        const [queries, keys, values, out] = [q, k, v, cached].map(({ address, columns }) => ({
          address: address + from * columns * 4,
          columns,
        }));
        cache.append(0, keys, values, count, 0);
        backend.attention(out, queries, cache.rows(0), count, { window });
        cache.dispose();
      }
      close(b.read(dense, T), b.read(cached, T), 1e-5);
      backend.dispose();
    }
});

test('AdamW moves by the rate against a gradient that stays the same', async () => {
  const gradients = [0.5, -3, 1e-3, 40, -0.25];
  const how = { rate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.1 };
  for (const backend of both()) {
    const b = new CpuBench(backend, 1);
    const [w, g, m, v] = Array.from({ length: 4 }, () => b.tensor(1, gradients.length));
    for (const x of [m, v]) b.training.clear(x.address, gradients.length);
    const wanted = b.read(w, 1);
    for (let step = 1; step <= 5; step++) {
      backend.floats(g.address, gradients.length).set(gradients);
      const it = { ...how, step, gradientScale: 0.5 };
      b.training.adamW(w.address, g.address, m.address, v.address, gradients.length, it);
      for (const [i, x] of wanted.entries())
        wanted[i] = x - how.rate * (Math.sign(gradients[i]) + how.decay * x);
      close(b.read(w, 1), wanted, 1e-5);
      assert.equal(b.read(g, 1), [0, 0, 0, 0, 0]);
    }
    await b.check();
    backend.dispose();
  }
});

test('cross entropy of as many columns as a large vocabulary has', async () => {
  const [V, n, scale] = [151_936, 2, 0.25];
  const targets = [151_935, 7];
  const backend = created(1);
  const b = new CpuBench(backend, 3);
  const [x, losses, ids] = [b.tensor(n, V), b.room(n * 4), b.room(n * 4)];
  const odds = b.read(x, n);
  backend.ints(ids, n).set(targets);
  b.training.crossEntropy(losses, x, ids, n, scale);
  for (const [i, target] of targets.entries()) {
    const row = odds.slice(i * V, (i + 1) * V);
    const mass = row.reduce((sum, v) => sum + Math.exp(v), 0);
    close([backend.floats(losses, n)[i]], [Math.log(mass) - row[target]], 1e-6);
    const gradient = b.read(x, n).slice(i * V, (i + 1) * V);
    for (const [j, v] of row.entries()) {
      const wanted = (Math.exp(v) / mass - (j === target ? 1 : 0)) * scale;
      const off = Math.abs(gradient[j] - wanted);
      assert.ok(off <= 1e-5 * Math.abs(wanted) + 1e-37, `${j}: ${gradient[j]}, expected ${wanted}`);
    }
  }
  await b.check();
  backend.dispose();
});

test('squares are added up in f64, and the same for any number of threads', async () => {
  for (const count of [0, 1, 3, 64, 257, 100_003]) {
    const sums: number[] = [];
    for (const threads of [1, 2, 3]) {
      const backend = created(threads);
      const b = new CpuBench(backend, count);
      const x = b.tensor(1, count);
      // small numbers that would be lost beside a large one
      backend.floats(x.address, count).subarray(1).fill(1e-4);
      const found = await b.training.sumOfSquares(x.address, count);
      const wanted = b.read(x, 1).reduce((sum, v) => sum + v * v, 0);
      assert.ok(Math.abs(found - wanted) <= 1e-12 * wanted, `${count}: ${found}, not ${wanted}`);
      sums.push(found);
      backend.dispose();
    }
    assert.equal(sums, [sums[0], sums[0], sums[0]]);
  }
});
test.run();
