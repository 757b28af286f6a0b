// f32 matrix products beside those of onnxruntime-web and tfjs, and beside what this processor
// reads and multiplies.
import { createWasmBackend } from '../src/backend/wasm/backend.ts';
import { weightTypes } from '../src/backend/dtype.ts';
import { createRandom } from '../src/math/rng.ts';
import type { BenchGroup } from './case.ts';
import { readWork, sideBySide, tileWork } from './limit.ts';
import { peerProducts } from './peers/products.ts';

const shapes = [
  [256, 1024, 1024],
  [512, 512, 512],
  [1, 4096, 4096],
] as const;

export const products: BenchGroup = {
  name: 'products',
  summary: 'f32 products x [n, k] W [k, m], one thread, beside other engines',
  async run(report) {
    for (const [n, k, m] of shapes) {
      const backend = createWasmBackend({ threads: 1 });
      const random = createRandom(1);
      const numbers = (count: number) => Float32Array.from({ length: count }, () => random() - 0.5);
      const [x, w] = [numbers(n * k), numbers(k * m)];
      const type = weightTypes[0];
      const weight = {
        address: backend.arena.allocate(backend.weightBytes(type, m, k)),
        type,
        rows: m,
        columns: k,
      };
      // ours are stored by output, as models have them
      const transposed = new Float32Array(m * k);
      for (let i = 0; i < m; i++) for (let j = 0; j < k; j++) transposed[i * k + j] = w[j * m + i];
      backend.packRows(weight, 0, m, new Uint8Array(transposed.buffer));
      const input = { address: backend.arena.allocate(n * k * 4), columns: k };
      const output = { address: backend.arena.allocate(n * m * 4), columns: m };
      backend.floats(input.address, n * k).set(x);
      backend.reserveScratch({ tokens: n, queryHeads: 1, kvHeads: 1, headDim: 64, width: k });
      const peers = await peerProducts(n, k, m, x, w);
      const ours = () =>
        n === 1
          ? backend.linearOne([[output, weight]], input)
          : backend.linear([[output, weight]], input, n);
      const limit = n === 1 ? readWork() : tileWork();
      const [own, limitMs, ...others] = await sideBySide([
        ours,
        limit.run,
        ...peers.map((p) => p.run),
      ]);
      const gflops = (ms: number) => (2 * n * k * m) / ms / 1e6;
      const amount = n === 1 ? k * m * 4 : 2 * n * k * m;
      report({
        name: `f32 ${n}x${k}x${m}`,
        rate: gflops(own),
        unit: 'GFLOP/s',
        share: amount / own / (limit.amount / limitMs),
        limit: n === 1 ? 'memory read' : 'register tile',
        peers: peers.map(({ peer }, i) => ({ name: peer, rate: gflops(others[i]) })),
      });
    }
  },
};
