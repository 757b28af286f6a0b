// Products with activations of 8 bits beside those with 16, of every quantised type: in one run, in
// turn, on one thread.
import { createWasmBackend } from '../src/backend/wasm/backend.ts';
import { weightRowBytes, weightTypes } from '../src/backend/dtype.ts';
import { CpuBench as Inputs } from '../test/cases/cpu-bench.ts';
import type { BenchGroup } from './case.ts';
import { sideBySide } from './limit.ts';

const [T, K, M] = [64, 2048, 2048];

export const eightBits: BenchGroup = {
  name: 'eight-bits',
  summary: 'matrix products with activations of 8 bits beside those with 16',
  async run(report) {
    for (const type of weightTypes) {
      if (!type.rounded) continue;
      const backend = createWasmBackend({ threads: 1 });
      backend.reserveScratch({ tokens: T, queryHeads: 1, kvHeads: 1, headDim: 64, width: K });
      const inputs = new Inputs(backend, 1);
      const [w, x, y] = [inputs.weight(type, M, K), inputs.tensor(T, K), inputs.empty(T, M)];
      const many = () => backend.linear([[y, w]], x, T);
      const one = () => backend.linearOne([[y, w]], x);
      const ways = [many, () => backend.inEightBits!(many), one, () => backend.inEightBits!(one)];
      const [wide, narrow, wideOne, narrowOne] = await sideBySide(ways);
      report({
        name: `linear ${type.name} ${T}x${K}x${M}`,
        rate: (2 * T * K * M) / narrow / 1e6,
        unit: 'GFLOP/s',
        note: `${(wide / narrow).toFixed(2)} times the rate with 16 bits`,
      });
      report({
        name: `linearOne ${type.name} ${K}x${M}`,
        rate: (M * weightRowBytes(type, K)) / narrowOne / 1e6,
        unit: 'GB/s',
        note: `${(wideOne / narrowOne).toFixed(2)} times the rate with 16 bits`,
      });
      backend.dispose();
    }
  },
};
