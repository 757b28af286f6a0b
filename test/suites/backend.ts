// The suite that every backend passes: each operation against the f64 reference, guards around
// every buffer.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CpuBackend } from '../../src/backend/cpu/memory.ts';
import { createReferenceBackend } from '../../src/backend/reference.ts';
import { trainingCases } from '../cases/dense-gradients.ts';
import { gradientCases } from '../cases/gradient-cases.ts';
import { composedCases } from '../cases/composed.ts';
import { Bench, opCases, opScratch } from '../cases/ops.ts';
import { scoreCases } from '../cases/scores.ts';

/** All sizes of a case, one behind the other. */
const REFERENCE_BYTES = 64 << 20;

/** Runs all cases. `expected` names the backend and build that `create` must give. */
export function backendSuite(
  expected: { name: string; build: string },
  create: () => CpuBackend,
): void {
  const test = suite(`backend ${expected.name} ${expected.build}`);
  test('it is the one that was asked for', () => {
    const backend = create();
    assert.equal({ name: backend.name, build: backend.build }, expected);
    backend.dispose();
  });
  const cases = [...opCases, ...composedCases, ...scoreCases, ...gradientCases, ...trainingCases];
  for (const { op, sizes, tolerance, run } of cases) {
    test(op, () => {
      const backend = create();
      backend.reserveScratch(opScratch);
      const reference = createReferenceBackend(REFERENCE_BYTES);
      sizes.forEach((size, seed) => {
        const bench = new Bench(backend, seed);
        const found = run(bench, size);
        bench.checkGuards();
        const wanted = run(new Bench(reference, seed), size);
        assert.is(found.length, wanted.length, `${op} [${size}]`);
        const scale = Math.max(1, ...wanted.filter(Number.isFinite).map(Math.abs));
        found.forEach((x, i) => {
          assert.ok(
            Object.is(x, wanted[i]) || Math.abs(x - wanted[i]) <= tolerance * scale,
            `${op} [${size}] number ${i}: ${x}, the reference has ${wanted[i]}`,
          );
        });
      });
      backend.dispose();
    });
  }
  test.run();
}
