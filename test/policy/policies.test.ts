// Scores, kept rows and layer budgets against an independent f64 implementation (test/fixtures/policies.json), in every build.
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { detectBuild } from '../../src/backend/wasm/core.ts';
import { layerBudgets, pyramidBudgets } from '../../src/cache/budget.ts';
import { type ScoreReport, scoreTensors, type TensorFile } from '../../src/eval/score.ts';
import { findPolicy, policies } from '../../src/policy/registry.ts';
import { fixture, kernelBytes, readJson } from '../fixtures.ts';

const data = readJson<TensorFile & Required<ScoreReport>>(fixture('policies.json'));
const { Hkv, n, budget } = data.shape;
/** What the fixture's README grants an f32 implementation, relative to the largest score. */
const TOLERANCE = 1e-5;

for (const build of ['simd', 'relaxed', 'debug'] as const) {
  const test = suite(`policies, ${build}`);
  if (build === 'relaxed' && detectBuild() !== 'relaxed') continue; // listed as skipped by backend/wasm.test.ts
  const backend = createWasmBackend(build === 'debug' ? kernelBytes('debug') : build);
  for (const name of Object.keys(data.scores)) {
    test(`${name}: scores and rows kept agree`, () => {
      const { scores, kept } = scoreTensors(data, [name], backend);
      const scale = Math.max(1, ...data.scores[name].flat().map(Math.abs));
      for (let h = 0; h < Hkv; h++) {
        assert.is(scores[name][h].length, data.scores[name][h].length);
        scores[name][h].forEach((s, i) => {
          const expected = data.scores[name][h][i];
          assert.ok(Math.abs(s - expected) <= TOLERANCE * scale, `head ${h} row ${i}: ${s}, expected ${expected}`);
        });
      }
      for (const [heads, rows] of Object.entries(data.kept[name] ?? {})) {
        const found = kept[name][heads as 'uniform'];
        assert.equal(found, rows, heads);
        assert.is(found.flat().length, Hkv * budget);
      }
    });
  }
  test('every policy scores every row with a finite number', () => {
    for (const { name } of policies.filter((p) => p.evicts)) {
      const { scores } = scoreTensors(data, [name], backend);
      assert.ok(
        scores[name].every((head) => head.length === n && head.every(Number.isFinite)),
        name,
      );
    }
    assert.is(backend.arena.usedBytes, 0);
  });
  test.run();
}

const hostile = suite('tensors that do not fit together');
hostile('are refused with what is wrong', () => {
  const backend = createWasmBackend('simd');
  const bad: [unknown, RegExp][] = [
    [null, /'shape'/],
    [{ ...data, shape: { ...data.shape, n: 0 } }, /shape.n is 0/],
    [{ ...data, shape: { ...data.shape, Hq: 3 } }, /3 query heads/],
    [{ ...data, shape: { ...data.shape, n: 2 ** 31 } }, /larger than any file/],
    [{ ...data, keys: data.keys.slice(1) }, /keys has 1 entries, expected 2/],
    [{ ...data, values: data.values.map((head) => head.map((row) => row.map(() => Number.NaN))) }, /values holds NaN/],
  ];
  for (const [file, pattern] of bad)
    assert.throws(
      () => scoreTensors(file as TensorFile, ['knorm'], backend),
      (e: Error) => e.name === 'OptionError' && pattern.test(e.message),
    );
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
budgets('equal layers share equally', () => assert.equal(layerBudgets(10, [0.5, 0.5, 0.5], 1.1), [10, 10, 10]));
budgets.run();

const registry = suite('policy registry');
registry('every policy file is listed, under its name', () => {
  const folder = fileURLToPath(new URL('../../../../src/policy/', import.meta.url));
  const parts = ['attention', 'policy', 'registry', 'score', 'select'];
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
