// Scores, kept rows and layer budgets against an independent f64 implementation
// (test/fixtures/policies.json), in every build.
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { detectBuild } from '../../src/backend/wasm/builds.ts';
import { layerBudgets, pyramidBudgets } from '../../src/cache/budget.ts';
import { type ScoreReport, scoreTensors } from '../../src/eval/score.ts';
import type { TensorFile } from '../../src/eval/tensor-file.ts';
import { rejects } from '../rejects.ts';
import { rowsOf } from '../rows.ts';
import { createRandom } from '../../src/math/rng.ts';
import { createRotary } from '../../src/model/rotary.ts';
import { type Axes, composePolicy } from '../../src/policy/compose.ts';
import { findPolicy, policies } from '../../src/policy/registry.ts';
import { fixture, kernelBytes, readJson } from '../fixtures.ts';

const data = readJson<TensorFile & Required<ScoreReport>>(fixture('policies.json'));
const { Hkv, n, budget } = data.shape;
/** What the fixture's README grants an f32 implementation, relative to the largest score. */
const TOLERANCE = 1e-5;

for (const build of ['simd', 'relaxed', 'debug'] as const) {
  const test = suite(`policies, ${build}`);
  // listed as skipped by backend/wasm.test.ts
  if (build === 'relaxed' && detectBuild() !== 'relaxed') continue;
  const backend = createWasmBackend(build === 'debug' ? kernelBytes('debug') : build);
  for (const name of Object.keys(data.scores)) {
    test(`${name}: scores and rows kept agree`, async () => {
      const { scores, kept } = await scoreTensors(data, [name], backend);
      const scale = Math.max(1, ...data.scores[name].flat().map(Math.abs));
      for (let h = 0; h < Hkv; h++) {
        assert.is(scores[name][h].length, data.scores[name][h].length);
        scores[name][h].forEach((s, i) => {
          const expected = data.scores[name][h][i];
          assert.ok(
            Math.abs(s - expected) <= TOLERANCE * scale,
            `head ${h} row ${i}: ${s}, expected ${expected}`,
          );
        });
      }
      for (const [heads, rows] of Object.entries(data.kept[name] ?? {})) {
        const found = kept[name][heads as 'uniform'];
        assert.equal(found, rows, heads);
        assert.is(found.flat().length, Hkv * budget);
      }
    });
  }
  test('every policy scores every row with a finite number', async () => {
    for (const { name } of policies.filter((p) => p.evicts && p.name !== 'expected-attention')) {
      const { scores } = await scoreTensors(data, [name], backend);
      assert.ok(
        scores[name].every((head) => head.length === n && head.every(Number.isFinite)),
        name,
      );
    }
    assert.is(backend.arena.usedBytes, 0);
  });
  test.run();
}

const ahead = suite('expected attention');
ahead(
  'is what kvpress computes from mean and covariance before RoPE, then turned to the mean of 512 positions',
  () => {
    const [P, G, d, n, ropeDims] = [40, 2, 8, 30, 8];
    const random = createRandom(5);
    const numbers = (count: number) => Array.from({ length: count }, () => 2 * random() - 1);
    const backend = createWasmBackend('simd');
    backend.reserveScratch({ tokens: P, queryHeads: G, kvHeads: 1, headDim: d, width: 64 });
    const put = (values: readonly number[]) => {
      const address = backend.arena.allocate(4 * values.length);
      backend.floats(address, values.length).set(values);
      return address;
    };
    const before = Array.from({ length: P }, () => numbers(G * d));
    const [keys, values] = [numbers(n * d), numbers(n * d)];
    const first = 100;
    const theta = (j: number) => 10000 ** ((-2 * j) / ropeDims);
    const turned = (q: number[], angle: (j: number) => number) =>
      q.map((x, i) => {
        const j = (i % d) >> 1;
        const [c, s] = [Math.cos(angle(j)), Math.sin(angle(j))];
        return i % 2 === 0 ? x * c - q[i + 1] * s : q[i - 1] * s + x * c;
      });
    const queries = {
      address: put(before.flatMap((q, p) => turned(q, (j) => (first + p) * theta(j)))),
      columns: G * d,
    };
    const rotary = createRotary({
      style: 'pairs',
      dims: ropeDims,
      base: 10000,
      scale: 1,
    });
    const angles = {
      address: backend.arena.allocate(P * ropeDims * 4),
      rotated: ropeDims,
      style: 'pairs' as const,
    };
    rotary.writeAhead(backend, angles.address, P, 512);
    const [out, spare, extra] = [0, 1, 2].map(() => backend.arena.allocate(n * 4));
    const head = {
      keys: put(keys),
      values: put(values),
      rest: 0,
      tokens: put(new Array(n).fill(0)),
      state: put(new Array(n).fill(0)),
      length: n,
    };
    const view = {
      layer: 0,
      cached: rowsOf([head], d, 'f32'),
      tokens: n,
      queries,
      count: P,
      ahead: angles,
    };
    const scores = findPolicy('expected-attention').score(
      { ...view, recent: 0, keeps: n, out, spare, extra, seed: 0 },
      backend,
    );
    const found = [...backend.floats(scores.address, n)];

    const expected = new Array<number>(n).fill(0);
    for (let g = 0; g < G; g++) {
      const drawn = before.map((q) => q.slice(g * d, (g + 1) * d));
      const mean = Array.from({ length: d }, (_, j) => drawn.reduce((s, q) => s + q[j], 0) / P);
      const apart = drawn.map((q) => q.map((x, j) => x - mean[j]));
      // the mean rotation over the next 512 positions, as a matrix
      const R = Array.from({ length: d }, () => new Array<number>(d).fill(0));
      for (let f = 0; f < 512; f++) {
        for (let j = 0; j < d / 2; j++) {
          const a = (first + P + f) * theta(j);
          R[2 * j][2 * j] += Math.cos(a) / 512;
          R[2 * j + 1][2 * j + 1] += Math.cos(a) / 512;
          R[2 * j][2 * j + 1] -= Math.sin(a) / 512;
          R[2 * j + 1][2 * j] += Math.sin(a) / 512;
        }
      }
      const times = (x: number[]) => R.map((r) => r.reduce((s, w, j) => s + w * x[j], 0));
      const logits = Array.from({ length: n }, (_, i) => {
        const k = keys.slice(i * d, (i + 1) * d);
        const along = (x: number[]) => times(x).reduce((s, y, j) => s + y * k[j], 0) / Math.sqrt(d);
        return along(mean) + apart.reduce((s, q) => s + along(q) ** 2, 0) / P / 2;
      });
      const mass = logits.reduce((s, x) => s + Math.exp(x), 0);
      logits.forEach((x, i) => {
        expected[i] += (Math.exp(x) / mass / G) * Math.hypot(...values.slice(i * d, (i + 1) * d));
      });
    }
    found.forEach((s, i) =>
      assert.ok(Math.abs(s - expected[i]) < 1e-5, `row ${i}: ${s}, expected ${expected[i]}`),
    );
  },
);
ahead.run();

const composing = suite('policies composed of axes');
composing('axes change one by one, and the name tells which', () => {
  const wide = composePolicy(findPolicy('snapkv'), { aggregate: 'max', window: 16 });
  assert.is(wide.name, 'snapkv(aggregate max, window 16)');
  assert.equal(
    [wide.aggregate, wide.pool, wide.observe, wide.protect.recent],
    ['max', 5, { queries: 'last', count: 16 }, 16],
  );
  const patched = composePolicy(findPolicy('snapkv'), {
    observe: 'episode',
    stages: 2,
    value: 'projected',
  });
  assert.equal(
    [patched.observe, patched.protect.recent, patched.stages],
    [{ queries: 'patched', prompt: 'episode' }, 0, 2],
  );
  assert.is(composePolicy(findPolicy('keydiff'), { pool: undefined }), findPolicy('keydiff'));
});
composing('a composition scores as the policy that has these axes', () => {
  const backend = createWasmBackend('simd');
  const composed = composePolicy(findPolicy('snapkv'), {
    window: 32,
    aggregate: 'defensive',
    value: 'projected',
    stages: 2,
  });
  const { score: _, name: __, summary: ___, heads: ____, safeguard: _____, ...axes } = composed;
  const {
    score: a,
    name: b,
    summary: c,
    heads: d,
    safeguard: e,
    ...expected
  } = findPolicy('defensivekv');
  assert.equal(axes, expected);
  backend.dispose();
});
composing('what cannot be is refused', () => {
  const bad: [string, Axes, RegExp][] = [
    [
      'keydiff',
      { aggregate: 'max' },
      /'keydiff' scores by a formula of its own, aggregate would change nothing/,
    ],
    ['snapkv', { pool: 4 }, /pool is 4, expected an odd number/],
    [
      'snapkv',
      { aggregate: 'median' as 'mean' },
      /aggregate is 'median', expected mean or max or defensive/,
    ],
    ['snapkv', { window: -1 }, /window is -1/],
    ['snapkv', { stages: 3 as 1 }, /stages is 3/],
    ['snapkv', { observe: 'me' as 'last' }, /observe is 'me'/],
  ];
  for (const [name, axes, pattern] of bad)
    assert.throws(
      () => composePolicy(findPolicy(name), axes),
      (e: Error) => e.name === 'OptionError' && pattern.test(e.message),
    );
});
composing.run();

const hostile = suite('tensors that do not fit together');
hostile('are refused with what is wrong', async () => {
  const backend = createWasmBackend('simd');
  const bad: [unknown, RegExp][] = [
    [null, /'shape'/],
    [{ ...data, shape: { ...data.shape, n: 0 } }, /shape.n is 0/],
    [{ ...data, shape: { ...data.shape, Hq: 3 } }, /3 query heads/],
    [{ ...data, shape: { ...data.shape, n: 2 ** 31 } }, /larger than any file/],
    [{ ...data, keys: data.keys.slice(1) }, /keys has 1 entries, expected 2/],
    [
      { ...data, values: data.values.map((head) => head.map((row) => row.map(() => Number.NaN))) },
      /values holds NaN/,
    ],
  ];
  for (const [file, pattern] of bad)
    await rejects(scoreTensors(file as TensorFile, ['knorm'], backend), 'OptionError', pattern);
});
hostile.run();

const budgets = suite('layer budgets');
for (const { M, alpha, rows, budgets: expected } of data.layerBudgets.cases) {
  budgets(`alpha ${alpha}`, () => {
    assert.equal(layerBudgets(M, data.layerBudgets.similarity, alpha, rows), expected);
  });
}
budgets('a pyramid falls with depth and keeps the total', () => {
  const rows = pyramidBudgets(100, 5);
  assert.is(
    rows.reduce((a, b) => a + b, 0),
    500,
  );
  assert.ok(rows.every((r, l) => l === 0 || r < rows[l - 1]));
  assert.equal([rows[0], rows[4]], [195, 5]);
});
budgets('equal layers share equally', () =>
  assert.equal(layerBudgets(10, [0.5, 0.5, 0.5], 1.1), [10, 10, 10]),
);
budgets.run();

const registry = suite('policy registry');
registry('every policy file is listed, under its name', () => {
  const folder = fileURLToPath(new URL('../../../../src/policy/', import.meta.url));
  const parts = ['attention', 'compose', 'define', 'observer', 'policy', 'registry', 'score'];
  const files = readdirSync(folder)
    .map((f) => f.replace(/\.ts$/, ''))
    .filter((f) => !parts.includes(f));
  assert.equal(files.sort(), policies.map((p) => p.name).sort());
});
registry('an unknown name is refused with the names there are', () => {
  assert.throws(
    () => findPolicy('lru'),
    (e: Error) => e.name === 'OptionError' && /'lru'.*streaming-llm/.test(e.message),
  );
});
registry.run();
