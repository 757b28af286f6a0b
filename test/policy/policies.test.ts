// Scores, kept rows and layer budgets against an independent f64 implementation (test/fixtures/policies.json), in every build.
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Backend } from '../../src/backend/backend.ts';
import type { RowType } from '../../src/backend/dtype.ts';
import type { HeadRows, Scores } from '../../src/backend/tensor.ts';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { detectBuild } from '../../src/backend/wasm/core.ts';
import { layerBudgets } from '../../src/cache/budget.ts';
import { definePolicy, type LayerView, type Policy } from '../../src/policy/policy.ts';
import { findPolicy, policies } from '../../src/policy/registry.ts';
import { total } from '../../src/policy/score.ts';
import { select } from '../../src/policy/select.ts';
import { fixture, kernelBytes, readJson } from '../fixtures.ts';

interface Fixture {
  shape: { Hq: number; Hkv: number; n: number; d: number; window: number; patched: number; D: number; budget: number };
  keys: number[][][];
  values: number[][][];
  windowQueries: number[][][];
  patchedQueries: number[][][];
  scores: Record<string, number[][]>;
  kept: Record<string, Record<string, number[][]>>;
  layerBudgets: { similarity: number[]; cases: { M: number; alpha: number; rows: number; budgets: number[] }[] };
}
const data = readJson<Fixture>(fixture('policies.json'));
const { Hq, Hkv, n, d, window, patched, budget } = data.shape;
/** What the fixture's README grants an f32 implementation. */
const TOLERANCE = 1e-5;

/** The policies of the fixture by name; its window is 8 tokens wide. */
const cases: Record<string, Policy> = {
  'streaming-llm': findPolicy('streaming-llm'),
  knorm: findPolicy('knorm'),
  keydiff: findPolicy('keydiff'),
  tova: findPolicy('tova'),
  snapkv: definePolicy({ ...findPolicy('snapkv'), score: undefined, observe: { queries: 'last', count: window }, protect: { recent: window } }),
  'patched-max': findPolicy('kvzip'),
  'patched-mean': definePolicy({ ...findPolicy('kvzip'), score: undefined, aggregate: 'mean' }),
};

function prepare(backend: Backend, policy: Policy, rowType: RowType): LayerView {
  const put = (numbers: number[]) => {
    const at = backend.arena.allocate(numbers.length * 4);
    backend.floats(at, numbers.length).set(numbers);
    return { address: at, columns: 0 };
  };
  const bytes = rowType === 'f16' ? 2 : 4;
  const heads: HeadRows[] = data.keys.map((_, h) => {
    const rows = [data.keys[h], data.values[h]].map((matrix) => {
      const at = backend.arena.allocate(n * d * bytes);
      backend.storeRows(at, { ...put(matrix.flat()), columns: d }, 0, n, d, rowType);
      return at;
    });
    const positions = backend.arena.allocate(n * 4);
    backend.ints(positions, n).set([...Array(n).keys()]);
    return { keys: rows[0], values: rows[1], positions, state: put(new Array(n).fill(0)).address, length: n };
  });
  // the fixture has queries [Hq, count, d], a forward pass leaves [count, Hq * d]
  const source = policy.observe.queries === 'patched' ? data.patchedQueries : data.windowQueries;
  const count =
    policy.observe.queries === 'patched' ? patched : policy.observe.queries === 'last' ? policy.observe.count : policy.observe.queries === 'block' ? window : 0;
  const last = source[0].length - count;
  const queries = put(Array.from({ length: count }, (_, p) => source.map((head) => head[last + p])).flat(2));
  return {
    layer: 0,
    heads,
    headDim: d,
    rowType,
    tokens: n,
    queries: { ...queries, columns: Hq * d },
    count,
    recent: policy.protect.recent,
    out: backend.arena.allocate(Hkv * n * 4),
    spare: backend.arena.allocate(Hkv * n * 4),
    seed: 1,
  };
}

function lists(backend: Backend, scores: Scores): number[][] {
  let at = scores.address;
  return scores.counts.map((count) => {
    const list = [...backend.floats(at, count)];
    at += count * 4;
    return list;
  });
}

for (const build of ['simd', 'relaxed', 'debug'] as const) {
  const test = suite(`policies, ${build}`);
  if (build === 'relaxed' && detectBuild() !== 'relaxed') continue; // listed as skipped by backend/wasm.test.ts
  const backend = createWasmBackend(build === 'debug' ? kernelBytes('debug') : build);
  backend.reserveScratch({ tokens: Math.max(window, patched), queryHeads: Hq, kvHeads: Hkv, headDim: d, width: 64 });

  for (const [name, policy] of Object.entries(cases)) {
    test(`${name}: scores agree`, () => {
      const view = prepare(backend, policy, 'f32');
      const scores = lists(backend, policy.score(view, backend));
      if (name === 'streaming-llm') {
        // the fixture keeps 4 sinks by score, we keep them whatever the score
        for (let h = 0; h < Hkv; h++) assert.equal(scores[h].slice(4), data.scores[name][h].slice(4));
        return;
      }
      for (let h = 0; h < Hkv; h++) {
        assert.is(scores[h].length, n - policy.protect.recent);
        const scale = name === 'knorm' ? Math.max(...data.scores[name][h].map(Math.abs)) : 1;
        scores[h].forEach((s, i) =>
          assert.ok(Math.abs(s - data.scores[name][h][i]) <= TOLERANCE * scale, `head ${h} row ${i}: ${s}, expected ${data.scores[name][h][i]}`),
        );
      }
    });
    for (const [heads, kept] of Object.entries(data.kept[name] ?? {})) {
      test(`${name}: rows kept, heads ${heads}`, () => {
        const view = prepare(backend, policy, 'f32');
        const full = backend.arena.allocate(Hkv * n * 4);
        const indices = backend.arena.allocate(Hkv * n * 4);
        const share = {
          rows: budget,
          sinks: 0,
          heads: heads === 'uniform' ? 'uniform' : 'adaptive',
          safeguard: heads === 'adaptive-safeguard-0.2' ? 0.2 : 0,
        } as const;
        const selection = select(view, policy.score(view, backend), share, full, indices, backend);
        assert.equal(
          selection.counts.map((count, h) => [...backend.ints(selection.kept[h], count)]),
          kept,
        );
        assert.is(
          selection.counts.reduce((a, b) => a + b, 0),
          Hkv * budget,
        );
      });
    }
  }

  test('a policy rates every row once, whatever the lengths of the heads', () => {
    for (const policy of policies.filter((p) => p.evicts)) {
      const view = prepare(backend, policy, 'f16');
      const cut = { ...view, heads: view.heads.map((h, i) => ({ ...h, length: n - 5 * i })), count: Math.min(view.count, 8) };
      const scores = policy.score(cut, backend);
      assert.equal(
        scores.counts,
        cut.heads.map((h) => h.length - Math.min(policy.protect.recent, n - 5)).map((x) => Math.max(0, x)),
        policy.name,
      );
      assert.ok([...backend.floats(scores.address, total(scores))].every(Number.isFinite), policy.name);
    }
  });
  test.run();
}

const budgets = suite('layer budgets');
for (const { M, alpha, rows, budgets: expected } of data.layerBudgets.cases) {
  budgets(`alpha ${alpha}`, () => {
    assert.equal(layerBudgets(M, data.layerBudgets.similarity, alpha, rows), expected);
  });
}
budgets('equal layers share equally', () => assert.equal(layerBudgets(10, [0.5, 0.5, 0.5], 1.1), [10, 10, 10]));
budgets.run();

const registry = suite('policy registry');
registry('every policy file is listed, under its name', () => {
  const folder = fileURLToPath(new URL('../../../../src/policy/', import.meta.url));
  const parts = ['policy', 'registry', 'score', 'select'];
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
