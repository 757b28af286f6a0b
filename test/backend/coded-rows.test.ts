// Attention over rows of few bits multiplies whole numbers (assembly/coded): what rounding queries
// and weights takes is little beside what rounding rows took.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type RowType, rowTypeNames, isQuantized } from '../../src/backend/dtype.ts';
import { sectionsOf } from '../../src/backend/extent.ts';
import { createReferenceBackend } from '../../src/backend/reference.ts';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { detectBuild } from '../../src/backend/wasm/builds.ts';
import { CpuBench } from '../cases/cpu-bench.ts';

const test = suite('rows of few bits in integers');
const builds = detectBuild() === 'relaxed' ? (['simd', 'relaxed'] as const) : (['simd'] as const);
/** Rows, channels, queries: whole groups on a grid each, a part of one, rows that wait for one. */
const [ROWS, D, T] = [150, 64, 6];
const GROUP = 3;
/** What is taken may be this share of what rounding rows took. */
const SHARE = 1 / 60;

const reference = createReferenceBackend(16 << 20);
const shape = (rowType: RowType) => ({
  kvHeads: 1,
  headDim: D,
  rowType,
  keptRows: [ROWS],
  room: ROWS,
});

/** Normal numbers, a channel of keys far off all others: what models have. */
function drawn() {
  const b = new CpuBench(reference, 7);
  const normal = (n: number) => b.numbers(n).map((x) => (Math.abs(x) > 6 ? x / 20 : x));
  const keys = normal(ROWS * D).map((x, i) => (i % D === 5 ? x + 8 : x));
  return { keys, values: normal(ROWS * D), queries: normal(T * GROUP * D) };
}

const rms = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.sqrt(Array.from(a, (x, i) => (x - b[i]) ** 2).reduce((x, y) => x + y) / a.length);

for (const type of rowTypeNames.filter(isQuantized))
  test(type, async () => {
    const { keys, values, queries } = drawn();
    const exact = new CpuBench(reference, 1);
    const attend = (b: CpuBench, rows: Parameters<typeof reference.attention>[2]) => {
      const [q, out] = [b.tensor(T, GROUP * D, queries), b.empty(T, GROUP * D)];
      b.backend.attention(out, q, rows, T);
      return b.read(out, T);
    };
    const plain = reference.createCache(shape('f32'));
    plain.append(0, exact.tensor(ROWS, D, keys), exact.tensor(ROWS, D, values), ROWS, 0);
    const whole = attend(exact, plain.rows(0));
    for (const build of builds) {
      const backend = createWasmBackend(build);
      backend.reserveScratch({ tokens: ROWS, queryHeads: 3, kvHeads: 1, headDim: D, width: D });
      const b = new CpuBench(backend, 1);
      const cache = backend.createCache(shape(type));
      cache.append(0, b.tensor(ROWS, D, keys), b.tensor(ROWS, D, values), ROWS, 0);
      const extent = await cache.save(); // groups are rounded
      const found = attend(b, cache.rows(0));
      const bytes = new Uint8Array(sectionsOf(cache.shape, extent).reduce((x, y) => x + y));
      await cache.read(bytes);
      const same = reference.createCache(shape(type));
      same.restore(extent);
      same.write(bytes);
      same.restored();
      const right = attend(exact, same.rows(0));
      const [taken, own] = [rms(found, right), rms(right, whole)];
      assert.ok(taken < SHARE * own, `${build}: ${taken} of ${own}`);
      backend.dispose();
    }
  });
test.run();
