// Gradients of products: what they leave alone, and what their bits do not depend on.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { weightTypes } from '../../src/backend/dtype.ts';
import type { Tensor } from '../../src/backend/tensor.ts';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { detectBuild } from '../../src/backend/wasm/builds.ts';
import { opScratch } from '../cases/case.ts';
import { CpuBench } from '../cases/cpu-bench.ts';

const test = suite('gradients of products');
const builds = detectBuild() === 'relaxed' ? (['simd', 'relaxed'] as const) : (['simd'] as const);

function onEachBuild(work: (b: CpuBench) => void): void {
  for (const build of builds) {
    const backend = createWasmBackend(build);
    backend.reserveScratch({ ...opScratch, tokens: 11 });
    work(new CpuBench(backend, 1));
    backend.dispose();
  }
}

const rowsOf = ({ address, columns }: Tensor, from: number): Tensor => ({
  address: address + from * columns * 4,
  columns,
});

test("a token's bits are the same alone and in a batch", () =>
  onEachBuild((b) => {
    const n = 11;
    for (const type of weightTypes) {
      const [m, k] = [77, 3 * Math.max(24, type.elements)];
      const [w, dy, start] = [b.weight(type, m, k), b.tensor(n, m), b.tensor(n, k)];
      const found = [[n], [4, 1, 6], [1, 2, 3, 5]].map((cut) => {
        const dx = b.empty(n, k);
        b.backend.copy(dx.address, start.address, n * k * 4);
        let t = 0;
        for (const count of cut) {
          b.training.linearGradient(rowsOf(dx, t), [[rowsOf(dy, t), w]], count, true);
          t += count;
        }
        return b.read(dx, n);
      });
      for (const one of found) assert.equal(one, found[0], type.name);
    }
  }));

test('a weight is added to a token at a time with the same bits', () =>
  onEachBuild((b) => {
    const [n, m, k] = [300, 20, 30];
    const [dy, x] = [b.tensor(n, m), b.tensor(n, k)];
    const found = [[n], [1, 299], [257, 43]].map((cut) => {
      const dw = b.weight(weightTypes[0], m, k);
      b.training.clear(dw.address, m * k);
      let t = 0;
      for (const count of cut) {
        b.training.weightGradient(dw, rowsOf(dy, t), rowsOf(x, t), count);
        t += count;
      }
      return b.read(dw, m);
    });
    for (const one of found) assert.equal(one, found[0]);
  }));

test('rows that fill up a packed weight stay zeros', () =>
  onEachBuild((b) => {
    const [n, m, k] = [5, 9, 7];
    const [dw, x, dy] = [b.weight(weightTypes[0], m, k), b.tensor(n, k), b.tensor(n, m)];
    b.training.weightGradient(dw, dy, x, n);
    const padded = [...b.backend.floats(dw.address, 16 * k)].slice(8 * k);
    assert.equal(
      padded.flatMap((v, i) => (i < 4 * k && i % 4 === 0 ? [] : [v])),
      new Array(7 * k).fill(0),
    );
    assert.ok(b.read(dw, m).every((v) => v !== 0));
  }));
test.run();
