// A token's numbers do not depend on how many others are computed with it: batches of
// conversations, taking tokens back and guessing ahead give the same text because of this.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createWasmBackend, type WasmBackend } from '../../src/backend/wasm/backend.ts';
import { detectBuild } from '../../src/backend/wasm/builds.ts';
import { isQuantized, rowTypeNames, weightTypes } from '../../src/backend/dtype.ts';
import { cpuRows } from '../../src/backend/cpu/memory.ts';
import { rowsOf } from '../rows.ts';
import { drawnChoice, drawnLayer } from '../cases/experts.ts';
import { CpuBench } from '../cases/cpu-bench.ts';

const test = suite('numbers that do not depend on the batch');
const builds = detectBuild() === 'relaxed' ? (['simd', 'relaxed'] as const) : (['simd'] as const);
/** Ways to cut T tokens. */
const cuts = [[11], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], [2, 3, 6], [4, 1, 5, 1], [7, 4]];
const T = 11;

const sizes = { tokens: T, queryHeads: 8, kvHeads: 1, headDim: 128, width: 1536 };

/** Runs `test` on a new backend of each build. */
function onEachBuild(work: (backend: WasmBackend) => void): void {
  for (const build of builds) {
    const backend = createWasmBackend(build);
    const experts = { experts: 6, used: 3, width: 64, inner: 32 };
    backend.reserveScratch({ ...sizes, experts });
    work(backend);
    backend.dispose();
  }
}

for (const type of weightTypes) {
  test(`products with ${type.name}`, () => {
    onEachBuild((backend) => {
      for (const [m, k] of [
        [19, 3 * Math.max(32, type.elements)],
        [40, 1536],
      ]) {
        const inputs = new CpuBench(backend, m);
        const [w, x] = [inputs.weight(type, m, k), inputs.tensor(T, k)];
        const found = cuts.map((cut) => {
          const y = inputs.empty(T, m);
          let t = 0;
          for (const n of cut) {
            const [to, from] = [y, x].map(({ address, columns }) => ({
              address: address + t * columns * 4,
              columns,
            }));
            // both ways to ask for one token
            if (n === 1 && t % 2 === 0) backend.linearOne([[to, w]], from);
            else backend.linear([[to, w]], from, n);
            t += n;
          }
          return inputs.read(y, T);
        });
        cuts.forEach((cut, i) =>
          assert.equal(found[i], found[0], `${backend.build}, ${m} x ${k}, cut as ${cut}`),
        );
      }
    });
  });
}

for (const type of rowTypeNames) {
  test(`attention over rows of ${type}`, () => {
    onEachBuild((backend) => {
      // query heads of a kv head, rows of the two heads around tiles, and a dimension
      for (const [group, n, d] of [
        [1, 3, 8],
        [2, 64, 64],
        [3, 70, 64],
        [4, 7, 96],
        [5, 130, 64],
        [8, 63, 8],
        ...(isQuantized(type) ? [] : [[3, 70, 12]]),
      ]) {
        const inputs = new CpuBench(backend, group);
        const { heads } = cpuRows(inputs.cached([n + T, n + T + 5], d, type).rows);
        const q = inputs.tensor(T, 2 * group * d);
        const sinks = inputs.tensor(1, 2 * group);
        const found = cuts.map((cut) => {
          const out = inputs.empty(T, q.columns);
          const capped = inputs.empty(T, q.columns);
          let t = 0;
          for (const count of cut) {
            const [to, behind, from] = [out, capped, q].map(({ address, columns }) => ({
              address: address + t * columns * 4,
              columns,
            }));
            t += count;
            const seen = heads.map((head) => ({ ...head, length: head.length - T + t }));
            const rows = rowsOf(seen, d, type);
            backend.attention(to, from, rows, count);
            backend.attention(behind, from, rows, count, { cap: 2, sinks });
          }
          return [...inputs.read(out, T), ...inputs.read(capped, T)];
        });
        cuts.forEach((cut, i) =>
          assert.equal(found[i], found[0], `${backend.build}, ${group} x ${n} x ${d}, ${cut}`),
        );
      }
    });
  });
}
for (const type of ['f32', 'q8_0'])
  test(`layers of experts in ${type}`, () => {
    onEachBuild((backend) => {
      const [E, used, D] = [6, 3, 64];
      const inputs = new CpuBench(backend, E);
      const kind = { gate: type, up: type, down: type, activation: 'silu', biased: true } as const;
      const layer = drawnLayer(inputs, kind, [E, D, 32]);
      const [x, { ids, weights }] = [inputs.tensor(T, D), drawnChoice(inputs, T, E, used)];
      const found = cuts.map((cut) => {
        const y = inputs.empty(T, D);
        let t = 0;
        for (const n of cut) {
          const [to, from, by] = [y, x, weights].map(({ address, columns }) => ({
            address: address + t * columns * 4,
            columns,
          }));
          const choice = { ids: ids + t * used * 4, weights: by };
          backend.experts!.apply(to, from, n, choice, layer);
          t += n;
        }
        return inputs.read(y, T);
      });
      cuts.forEach((cut, i) => assert.equal(found[i], found[0], `${backend.build}, cut as ${cut}`));
    });
  });
test.run();
