// The passes over log-odds against plain loops, with guard bytes around what they write.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compileKernels, detectBuild } from '../../src/backend/wasm/builds.ts';
import { createCore } from '../../src/backend/wasm/core.ts';
import { createRandom } from '../../src/math/rng.ts';

const test = suite('wasm, log-odds');

const LENGTHS = [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 64, 67, 1025];
const GUARD = 0x5a;
const builds = detectBuild() === 'relaxed' ? (['simd', 'relaxed'] as const) : (['simd'] as const);

/** Log-odds with ties and some that are masked. */
function logitsOf(n: number): Float32Array {
  const random = createRandom(n + 1);
  return Float32Array.from({ length: n }, () =>
    random() < 0.1 ? Number.NEGATIVE_INFINITY : Math.round(40 * random()) / 4 - 7,
  );
}

/** A kernel memory with log-odds in it, and room that is guarded on both sides. */
function memoryOf(build: 'simd' | 'relaxed', logits: Float32Array, bytes: number) {
  const { kernels, memory, base, reserve } = createCore(compileKernels(build));
  const at = (base + 15) & ~15;
  const room = at + logits.length * 4 + 64 - ((logits.length * 4) % 16);
  reserve(room + bytes + 64);
  new Float32Array(memory.buffer, at, logits.length).set(logits);
  const guarded = new Uint8Array(memory.buffer, room - 48, bytes + 96).fill(GUARD);
  const isWhole = () =>
    guarded.subarray(0, 48).every((b) => b === GUARD) &&
    guarded.subarray(48 + bytes).every((b) => b === GUARD);
  return { kernels, memory, at, room, isWhole };
}

for (const build of builds) {
  test(`${build}: the best is the first of the largest, none where one is no number`, () => {
    for (const n of LENGTHS) {
      const logits = logitsOf(n);
      const best = logits.reduce((most, l) => Math.max(most, l), Number.NEGATIVE_INFINITY);
      const { kernels, memory, at } = memoryOf(build, logits, 0);
      const expected = best === Number.NEGATIVE_INFINITY ? -1 : logits.indexOf(best);
      assert.is(kernels.logits_best(at, n), expected, `n ${n}`);
      const floats = new Float32Array(memory.buffer, at, n);
      for (let i = 0; i < n; i += 1 + (n >> 4)) {
        floats.set(logits);
        floats[i] = Number.NaN;
        assert.is(kernels.logits_best(at, n), -1, `n ${n}, NaN at ${i}`);
      }
      floats.fill(Number.NEGATIVE_INFINITY);
      assert.is(kernels.logits_best(at, n), -1, `n ${n}, all impossible`);
    }
  });

  test(`${build}: indices within limits, in order, none too many written`, () => {
    for (const n of LENGTHS) {
      const logits = logitsOf(n);
      for (const [least, most] of [
        [-1, 1],
        [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
        [2.5, 2.5],
        [50, 60],
      ]) {
        const expected = Array.from(logits.keys()).filter(
          (i) => logits[i] >= least && logits[i] <= most,
        );
        const { length } = expected;
        for (const limit of new Set([n, length, Math.max(0, length - 1), 0])) {
          const { kernels, memory, at, room, isWhole } = memoryOf(build, logits, limit * 4);
          const count = kernels.logits_within(room, at, n, least, most, limit);
          const name = `n ${n}, ${least} to ${most}, at most ${limit}`;
          assert.is(count, length > limit ? limit + 1 : length, name);
          if (length <= limit)
            assert.equal([...new Int32Array(memory.buffer, room, count)], expected, name);
          assert.ok(isWhole(), name);
        }
      }
    }
  });

  test(`${build}: sums and counts by bucket`, () => {
    const [best, by, behind] = [3, 7.3, 40];
    const c = [-0.1, 0.02, -0.003, 0.0004] as const;
    const d = [-0.7, 0.3, -0.06, 0.01] as const;
    for (const n of LENGTHS)
      for (const isAll of [true, false]) {
        const logits = logitsOf(n);
        const bytes = (behind + 1) * 20;
        const { kernels, memory, at, room, isWhole } = memoryOf(build, logits, bytes);
        const sums = new Float64Array(memory.buffer, room, behind + 1).fill(0);
        const otherAt = room + (behind + 1) * 8;
        const others = new Float64Array(memory.buffer, otherAt, behind + 1).fill(0);
        const countAt = room + (behind + 1) * 16;
        const counts = new Int32Array(memory.buffer, countAt, behind + 1).fill(0);
        const [othersAt, countsAt] = isAll ? [otherAt, countAt] : [0, 0];
        const lowest = kernels.logits_sums(
          room,
          othersAt,
          countsAt,
          at,
          n,
          best,
          by,
          behind,
          -6,
          ...c,
          ...d,
        );
        const expectedSums = new Float64Array(behind + 1);
        const expectedOthers = new Float64Array(behind + 1);
        const expectedCounts = new Int32Array(behind + 1);
        let expected = Number.POSITIVE_INFINITY;
        for (const l of logits) {
          const z = (best - l) * by;
          if (!(z < behind)) {
            if (l >= -6) expected = Math.min(expected, l);
            continue;
          }
          const bucket = z + 1.5 * 2 ** 52 - 1.5 * 2 ** 52;
          const f = z - bucket;
          expectedSums[bucket] += 1 + f * (c[0] + f * (c[1] + f * (c[2] + f * c[3])));
          if (!isAll) continue;
          expectedOthers[bucket] += 1 + f * (d[0] + f * (d[1] + f * (d[2] + f * d[3])));
          expectedCounts[bucket]++;
        }
        assert.is(lowest, expected, `n ${n}`);
        assert.equal(sums, expectedSums, `n ${n}`);
        assert.equal(others, expectedOthers, `n ${n}`);
        assert.equal(counts, expectedCounts, `n ${n}`);
        assert.ok(isWhole(), `n ${n}`);
      }
  });
}

test.run();
