// The machine's limits as our own instructions reach them: the register tile on data that stay in
// L1, and reading memory once.
import { Bench } from 'tinybench';
import { createWasmBackend } from '../src/backend/wasm/backend.ts';
import { compileKernels } from '../src/backend/wasm/builds.ts';
import { createCore } from '../src/backend/wasm/core.ts';
import { weightTypes } from '../src/backend/dtype.ts';
import type { Limits } from './case.ts';

/** Median milliseconds of a function, from tinybench. */
export async function medianMs(work: () => void, timeMs = 400): Promise<number> {
  const bench = new Bench({ time: timeMs, warmupTime: 60 });
  bench.add('it', work);
  await bench.run();
  const { result } = bench.tasks[0];
  if (!result || !('latency' in result))
    throw new Error('the benched function failed', {
      cause: result && 'error' in result ? result.error : undefined,
    });
  return result.latency.p50;
}

/**
 * Median milliseconds of several functions, called in turn so that all meet the same moments of the
 * machine.
 */
export async function sideBySide(
  works: readonly (() => unknown)[],
  rounds = 15,
): Promise<number[]> {
  const times = works.map(() => [] as number[]);
  const repeats: number[] = [];
  for (const work of works) {
    const begin = performance.now();
    await work();
    await work();
    repeats.push(Math.max(1, Math.round(40 / (performance.now() - begin))));
  }
  for (let round = 0; round < rounds; round++) {
    for (const [i, work] of works.entries()) {
      const begin = performance.now();
      for (let j = 0; j < repeats[i]; j++) await work();
      times[i].push((performance.now() - begin) / repeats[i]);
    }
  }
  return times.map((list) => list.sort((a, b) => a - b)[list.length >> 1]);
}

/**
 * Least milliseconds of several functions, each called twice in turn a round, of which the second
 * call counts: what other work on the machine adds is left out.
 */
export function bestOf(works: readonly (() => unknown)[], rounds: number): number[] {
  const times = works.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < rounds; round++)
    for (const [i, work] of works.entries()) {
      work();
      const begin = performance.now();
      work();
      times[i] = Math.min(times[i], performance.now() - begin);
    }
  return times;
}

/** Something that is done again and again, and how much of it there is to one time. */
export interface LimitWork {
  run(): void;
  readonly amount: number;
}

/** The register tile on data that stay in L1, in flops: to be called beside what it limits. */
export function tileWork(): LimitWork {
  const { kernels, base } = createCore(compileKernels());
  // 16 KiB of x, 8 KiB of W
  const [n, k] = [16, 256];
  const [y, x, w] = [base, base + n * 8 * 4, base + n * 8 * 4 + n * k * 4];
  return {
    amount: 2 * n * 8 * k * 100,
    run() {
      for (let i = 0; i < 100; i++) kernels.tile_rows(y, x, w, n, k, 8, k, 8, false);
    },
  };
}

/** Reading a weight far larger than any cache once, in bytes. */
export function readWork(): LimitWork {
  const backend = createWasmBackend({ threads: 1 });
  const [rows, columns] = [8192, 4096];
  const type = weightTypes[0];
  const w = {
    address: backend.arena.allocate(backend.weightBytes(type, rows, columns)),
    type,
    rows,
    columns,
  };
  // pages that were never written are one page of zeros
  backend.floats(w.address, rows * columns).fill(1);
  const [x, y] = [
    { address: backend.arena.allocate(columns * 4), columns },
    { address: backend.arena.allocate(rows * 4), columns: rows },
  ];
  return { amount: rows * columns * 4, run: () => backend.linearOne([[y, w]], x) };
}

export async function measureLimits(): Promise<Limits> {
  const [tile, read] = [tileWork(), readWork()];
  const [tileMs, readMs] = await sideBySide([tile.run, read.run]);
  return { tileGflops: tile.amount / tileMs / 1e6, readGbs: read.amount / readMs / 1e6 };
}
