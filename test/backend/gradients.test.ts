// The reference's gradients beside differences of what its forward operations give, in f64.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createReferenceBackend } from '../../src/backend/reference.ts';
import { differencesOf, gradientsOf } from '../cases/gradients.ts';
import { gradientCases } from '../cases/gradient-cases.ts';
import { CpuBench } from '../cases/cpu-bench.ts';

/** Of the largest number of a gradient: what differences of f64 leave undecided, and room. */
const TOLERANCE = 1e-6;

const test = suite('gradients of the reference');
for (const { op, sizes, twoWay } of gradientCases)
  test(op, () => {
    for (const [seed, size] of sizes.entries()) {
      const [one, other] = [0, 1].map(
        () => new CpuBench(createReferenceBackend(2 << 20, true), seed),
      );
      const found = gradientsOf(one, twoWay(one, size));
      const wanted = differencesOf(other, twoWay(other, size));
      assert.is(found.length, wanted.length, `${op} [${size}]`);
      const scale = found.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-3);
      for (const [i, x] of wanted.entries())
        assert.ok(
          x === undefined || Math.abs(found[i] - x) <= TOLERANCE * scale,
          `${op} [${size}] number ${i}: ${found[i]}, differences give ${x}`,
        );
    }
  });
test.run();
