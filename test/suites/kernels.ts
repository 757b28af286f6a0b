// The suite of backends whose memory this thread sees: what is called by no contract, and gradients,
// each against the f64 reference, guards around every buffer.
import { suite } from 'uvu';
import type { CpuBackend } from '../../src/backend/cpu/memory.ts';
import { opScratch } from '../cases/case.ts';
import { CpuBench } from '../cases/cpu-bench.ts';
import { trainingCases } from '../cases/dense-gradients.ts';
import { gradientCases } from '../cases/gradient-cases.ts';
import { kernelCases } from '../cases/kernels.ts';
import { compareNumbers, wantedOf } from './oracle.ts';

/** Runs all cases. `expected` names the backend and build that `create` gives (backend.ts). */
export function kernelSuite(
  { name, build }: { name: string; build: string },
  create: () => CpuBackend,
): void {
  const test = suite(`kernels of ${name} ${build}`);
  let backend: CpuBackend;
  test.before(() => {
    backend = create();
    backend.reserveScratch(opScratch);
  });
  test.after(() => backend.dispose());
  for (const { op, sizes, tolerance, run } of [
    ...kernelCases,
    ...gradientCases,
    ...trainingCases,
  ]) {
    test(op, async () => {
      for (const [seed, size] of sizes.entries()) {
        const runOn = async (own: CpuBackend) => {
          const bench = new CpuBench(own, seed);
          const numbers = run(bench, size);
          await bench.check();
          bench.dispose();
          return numbers;
        };
        const what = `${op} [${size}]`;
        compareNumbers(what, await runOn(backend), await wantedOf(what, runOn), tolerance);
      }
    });
  }
  test.run();
}
