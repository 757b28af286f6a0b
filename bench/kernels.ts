// Kernels on the shapes of a 135M-parameter model (576 wide, 9 and 3 heads of 64) with blocks of
// 256.
import { createWasmBackend } from '../src/backend/wasm/backend.ts';
import { weightRowBytes, weightTypes } from '../src/backend/dtype.ts';
import { CpuBench as Inputs } from '../test/cases/cpu-bench.ts';
import { type LargeCase, largeCases, record } from '../test/cases/large.ts';
import type { BenchGroup, Measurement } from './case.ts';
import { medianMs, readWork, sideBySide, tileWork } from './limit.ts';

const [T, K, M] = [256, 1536, 768];
const [HEADS, GROUP, HEAD_DIM, ROWS] = [3, 3, 64, 2048];

export const kernels: BenchGroup = {
  name: 'kernels',
  summary: 'matrix products of every weight type; every operation, at the sizes of its case',
  async run(report) {
    const [tile, read] = [tileWork(), readWork()];
    for (const type of weightTypes) {
      const backend = createWasmBackend({ threads: 1 });
      backend.reserveScratch({ tokens: T, queryHeads: 9, kvHeads: 3, headDim: HEAD_DIM, width: K });
      const inputs = new Inputs(backend, 1);
      const w = inputs.weight(type, M, K);
      const [x, y] = [inputs.tensor(T, K), inputs.empty(T, M)];
      const large = inputs.weight(type, 4096, K);
      const out = inputs.empty(1, 4096);
      const many = () => backend.linear([[y, w]], x, T);
      const one = () => backend.linearOne([[out, large]], x);
      const [block, tileMs, single, readMs] = await sideBySide([many, tile.run, one, read.run]);
      const gflops = (2 * T * K * M) / block / 1e6;
      report({
        name: `linear ${type.name} ${T}x${K}x${M}`,
        rate: gflops,
        unit: 'GFLOP/s',
        share: gflops / (tile.amount / tileMs / 1e6),
        limit: 'f32 register tile',
      });
      const gbs = (4096 * weightRowBytes(type, K)) / single / 1e6;
      report({
        name: `linearOne ${type.name} ${K}x4096`,
        rate: gbs,
        unit: 'GB/s',
        share: gbs / (read.amount / readMs / 1e6),
        limit: 'memory read',
      });
    }
    const backend = createWasmBackend({ threads: 1 });
    backend.reserveScratch({ tokens: T, queryHeads: 9, kvHeads: 3, headDim: HEAD_DIM, width: K });
    const inputs = new Inputs(backend, 2);
    for (const type of ['f32', 'f16'] as const) {
      const { rows } = inputs.cached([ROWS, ROWS, ROWS], HEAD_DIM, type);
      const q = inputs.tensor(T, HEADS * GROUP * HEAD_DIM);
      const out = inputs.empty(T, HEADS * GROUP * HEAD_DIM);
      const scores = inputs.room(HEADS * ROWS * 4);
      const count = 64;
      const attend = () => backend.attention(out, q, rows, T);
      const look = () =>
        backend.observe(scores, rows, {
          queries: q,
          count,
          causal: false,
          aggregate: 'max',
        });
      const [attention, observe, tileMs] = await sideBySide([attend, look, tile.run]);
      const tileGflops = tile.amount / tileMs / 1e6;
      const products = 2 * 2 * T * HEADS * GROUP * HEAD_DIM * (ROWS - T / 2);
      const inFlops = (name: string, flops: number, ms: number) =>
        report({
          name: `${name} queries, ${ROWS} rows`,
          rate: flops / ms / 1e6,
          unit: 'GFLOP/s',
          share: flops / ms / 1e6 / tileGflops,
          limit: 'f32 register tile',
        });
      inFlops(`attention ${type}, ${T}`, products, attention);
      const looks = 2 * 2 * count * HEADS * GROUP * HEAD_DIM * ROWS; // two passes over the keys
      inFlops(`observe ${type}, ${count}`, looks, observe);
    }
    for (const large of largeCases) report(await timeCase(large));
  },
};

/** A case of the tests at the size that is worth timing. */
async function timeCase(large: LargeCase): Promise<Measurement> {
  const backend = createWasmBackend({ threads: 1 });
  backend.reserveScratch({
    tokens: T,
    queryHeads: 9,
    kvHeads: 3,
    headDim: HEAD_DIM,
    width: K,
    clusters: 16,
  });
  const { again } = await record(large, backend);
  const ms = await medianMs(again, 100);
  backend.dispose();
  const amount = large.flops ?? large.bytes ?? 0;
  return {
    name: `${large.op}, ${large.named}`,
    rate: amount / ms / 1e6,
    unit: large.flops === undefined ? 'GB/s' : 'GFLOP/s',
    note: `${ms.toPrecision(3)} ms`,
  };
}
