// The machine's limits as our own instructions reach them: the register tile on data that stay in L1, and reading memory once.
import { Bench } from 'tinybench';
import { createWasmBackend } from '../src/backend/wasm/backend.ts';
import { weightTypes } from '../src/backend/dtype.ts';
import type { Limits } from './case.ts';

/** Median milliseconds of a function, from tinybench. */
export async function medianMs(work: () => void, timeMs = 400): Promise<number> {
  const bench = new Bench({ time: timeMs, warmupTime: 60 });
  bench.add('it', work);
  await bench.run();
  const { result } = bench.tasks[0];
  if (!result || !('latency' in result)) throw new Error('the benched function failed', { cause: result && 'error' in result ? result.error : undefined });
  return result.latency.p50;
}

export async function measureLimits(): Promise<Limits> {
  const backend = createWasmBackend();
  const f32 = weightTypes[0];
  // 64 x 8 x 256: 64 KiB of x, one panel of W
  const [n, m, k] = [32, 8, 128];
  const w = { address: backend.arena.allocate(backend.weightBytes(f32, m, k)), type: f32, rows: m, columns: k };
  const x = { address: backend.arena.allocate(n * k * 4), columns: k };
  const y = { address: backend.arena.allocate(n * m * 4), columns: m };
  backend.reserveScratch({ tokens: 1, queryHeads: 1, kvHeads: 1, headDim: 64, width: k });
  const tile = await medianMs(() => {
    for (let i = 0; i < 100; i++) backend.linear([[y, w]], x, n);
  });
  // a one-row product of a weight far larger than any cache reads it once
  const [rows, columns] = [8192, 4096];
  const large = { address: backend.arena.allocate(backend.weightBytes(f32, rows, columns)), type: f32, rows, columns };
  const [xl, yl] = [
    { address: backend.arena.allocate(columns * 4), columns },
    { address: backend.arena.allocate(rows * 4), columns: rows },
  ];
  const read = await medianMs(() => backend.linearOne([[yl, large]], xl));
  return { tileGflops: (2 * n * m * k * 100) / tile / 1e6, readGbs: (rows * columns * 4) / read / 1e6 };
}
