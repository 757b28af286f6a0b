// The suite that every backend passes: each operation of the contract against the f64 reference,
// guards around every buffer.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Backend } from '../../src/backend/backend.ts';
import { type RowType, rowTypeNames } from '../../src/backend/dtype.ts';
import { Bench } from '../cases/bench.ts';
import { type OpCase, opScratch, toleranceOf } from '../cases/case.ts';
import { conformanceCases } from '../cases/conformance.ts';
import { trainingCases } from '../cases/dense-gradients.ts';
import { gradientCases } from '../cases/gradient-cases.ts';
import { skip } from '../skip.ts';
import { compareNumbers, wantedOf } from './oracle.ts';

/** What `create` must give. */
export interface Expected {
  readonly name: string;
  readonly build: string;
  readonly threads?: number;
  /** Types of cached rows that it takes, with heads of 64. Default: all. */
  readonly rowTypes?: readonly RowType[];
  /** Whether it computes elsewhere: fewer sizes, and its own tolerances (cases/case.ts). */
  readonly device?: boolean;
  /** Whether there are gradients. Default: yes. They are tested by suites/kernels.ts. */
  readonly training?: boolean;
  /** Names of the operations that are run. Default: all. */
  readonly only?: RegExp;
}

const ROWS_OF = 64; // dimensions of a head that every type of rows can have
const LEAST_NORMAL = 2 ** -126;

/** Runs all cases. `expected` says what `create` must give. */
export function backendSuite(expected: Expected, create: () => Backend | Promise<Backend>): void {
  const { name, build, device = false, only } = expected;
  const test = suite(`backend ${name} ${build}`);
  const file = `backend/${name}.test.js`;
  let backend: Backend;
  test.before(async () => {
    backend = await create();
    backend.reserveScratch(opScratch);
  });
  test.after(() => backend.dispose());

  test('it is the one that was asked for', () => {
    const { threads = 1, rowTypes = rowTypeNames, training = true } = expected;
    assert.equal(
      { name: backend.name, build: backend.build, threads: backend.threads },
      { name, build, threads },
    );
    assert.equal(
      rowTypeNames.filter((type) => backend.supportsRows(type, ROWS_OF)),
      rowTypes,
    );
    assert.is(backend.training !== undefined, training);
    if (training) return;
    for (const { op } of [...gradientCases, ...trainingCases])
      skip(file, op, `${name} does not train`);
  });
  for (const one of conformanceCases.filter(({ op }) => !only || only.test(op)))
    test(one.op, async () => {
      const { needs, rows, sizes, more = [] } = one;
      if (needs && !backend[needs]) return skip(file, one.op, `${name} has no ${needs} layers`);
      const all = [...[...sizes, ...(device ? [] : more)].entries()];
      const supported = all.filter(
        ([, size]) => !rows || backend.supportsRows(rows.type, rows.headDim(size)),
      );
      for (const [seed, size] of supported) await compare(backend, one, size, seed, device);
      if (rows && supported.length < all.length) {
        const dims = [...new Set(all.map(([, size]) => rows.headDim(size)))].filter(
          (d) => !backend.supportsRows(rows.type, d),
        );
        const part = supported.length > 0 ? `${one.op}, heads of ${dims.join(', ')}` : one.op;
        skip(file, part, `${name} has no rows of ${rows.type} with heads of ${dims.join(', ')}`);
      }
    });
  test.run();
}

/** Runs a case, and compares what it gives. */
async function compare(
  backend: Backend,
  one: OpCase,
  size: readonly number[],
  seed: number,
  device: boolean,
): Promise<void> {
  const { usedBytes } = backend.arena;
  const runOn = async (own: Backend) => {
    const bench = new Bench(own, seed);
    const numbers = await one.run(bench, size);
    await bench.check();
    bench.dispose();
    return numbers;
  };
  const what = `${one.op} [${size}]`;
  const found = await runOn(backend);
  assert.is(backend.arena.usedBytes, usedBytes, `${what} keeps memory`);
  const isFlushed = (x: number, wanted: number) =>
    device && one.denormals === true && x === 0 && Math.abs(wanted) < LEAST_NORMAL;
  const wanted = await wantedOf(what, runOn);
  compareNumbers(what, found, wanted, toleranceOf(one, device), isFlushed);
}
