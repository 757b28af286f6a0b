// What is several operations in one has the bits of these, one after the other.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Product } from '../../src/backend/backend.ts';
import { weightTypes } from '../../src/backend/dtype.ts';
import { createReferenceBackend } from '../../src/backend/reference.ts';
import type { Tensor } from '../../src/backend/tensor.ts';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { opScratch } from '../cases/case.ts';
import { CpuBench } from '../cases/cpu-bench.ts';

const test = suite('several operations in one');
const [n, m, k, d, eps] = [5, 32, 64, 16, 1e-5];

/** Two benches whose numbers are the same: one for each way. */
async function both(run: (one: CpuBench, other: CpuBench) => void | Promise<void>): Promise<void> {
  for (const create of [() => createWasmBackend('simd'), () => createReferenceBackend()]) {
    const backend = create();
    backend.reserveScratch(opScratch);
    const benches = [new CpuBench(backend, 1), new CpuBench(backend, 1)] as const;
    await run(...benches);
    for (const bench of benches) await bench.check();
    backend.dispose();
  }
}

/** Adds the bias to each row of y. */
function addBias({ backend }: CpuBench, y: Tensor, bias: Tensor): void {
  for (let i = 0; i < n; i++) backend.add({ ...y, address: y.address + i * m * 4 }, bias, 1);
}

for (const type of weightTypes.filter(({ name }) => name === 'f32' || name === 'q4_0')) {
  const of = (b: CpuBench) => ({
    x: b.tensor(n, k),
    y: b.tensor(n, m),
    w: b.weight(type, m, k),
    bias: b.tensor(1, m),
    norm: { w: b.tensor(1, k), eps },
    room: b.empty(n, k),
  });
  test(`${type.name}: a norm before, a bias and a sum behind`, () =>
    both((a, b) => {
      const [one, { x, y, w, bias, norm, room }] = [of(a), of(b)];
      const other = b.empty(n, m);
      const before = { norm: one.norm, room: one.room };
      a.backend.linear([[one.y, one.w, one.bias]], one.x, n, before);
      b.backend.rmsNorm(room, x, norm.w, n, eps);
      b.backend.linear([[y, w]], room, n);
      addBias(b, y, bias);
      assert.equal(a.read(one.y, n), b.read(y, n));
      a.backend.linear([[one.y, one.w, one.bias]], one.x, n, { adds: true, room: one.room });
      b.backend.linear([[other, w]], x, n);
      addBias(b, other, bias);
      b.backend.add(y, other, n);
      assert.equal(a.read(one.y, n), b.read(y, n));
    }));

  test(`${type.name}: gates`, async () => {
    for (const activation of ['silu', 'gelu', 'sparse-gelu', 'clamped'] as const)
      await both((a, b) => {
        const [one, { x, y, w, bias, norm, room }] = [of(a), of(b)];
        const up = (bench: CpuBench, weight: Product[1]): Product => [bench.empty(n, m), weight];
        const [mine, theirs] = [up(a, one.w), up(b, w)];
        const before = { norm: one.norm, room: one.room };
        a.backend.gated(one.y, [one.y, one.w, one.bias], mine, one.x, n, activation, before);
        b.backend.rmsNorm(room, x, norm.w, n, eps);
        b.backend.linear([[y, w], theirs], room, n);
        addBias(b, y, bias);
        b.backend.glu(y, y, theirs[0], n, activation);
        assert.equal(a.read(one.y, n), b.read(y, n));
      });
  });
}

/** `more`: with the steps that few models take. */
const appended = (more: boolean) => async () => {
  const [kvHeads, queryHeads, T] = [2, 6, 3];
  await both(async (a, b) => {
    const of = (bench: CpuBench) => ({
      cache: bench.backend.createCache({
        kvHeads,
        headDim: d,
        rowType: 'f32',
        keptRows: [0],
        room: T,
      }),
      q: bench.tensor(T, queryHeads * d),
      k: bench.tensor(T, kvHeads * d),
      v: bench.tensor(T, kvHeads * d),
      qNorm: bench.tensor(1, d),
      kNorm: bench.tensor(1, d),
      angles: { ...bench.tensor(T, d), rotated: d, style: 'halves' as const },
      queryAngles: { ...bench.tensor(T, 4), rotated: 4, style: 'pairs' as const },
      queryWeight: bench.tensor(1, d),
      ones: bench.tensor(1, d, new Float32Array(d).fill(1)),
      queryScale: 0.3,
      out: bench.empty(T, queryHeads * d),
      norms: bench.room(4 * kvHeads * T),
    });
    const [one, other] = [of(a), of(b)];
    const { qNorm, kNorm, angles, queryScale } = one;
    const given = { queryHeads, normEps: eps, qNorm, kNorm, angles, queryScale };
    const { queryAngles, queryWeight } = one;
    const steps = more ? { ...given, vNorm: true, queryAngles, queryWeight } : given;
    one.cache.appendTurned(0, one, T, { position: 4, token: 7 }, steps);
    const { q, k, v } = other;
    const { backend } = b;
    backend.rmsNorm(q, q, other.qNorm, T * queryHeads, eps);
    backend.rmsNorm(k, k, other.kNorm, T * kvHeads, eps);
    if (more) backend.rmsNorm(v, v, other.ones, T * kvHeads, eps);
    backend.rope(q, more ? other.queryAngles : other.angles, T, queryHeads, d);
    backend.rope(k, other.angles, T, kvHeads, d);
    if (more) backend.multiplyColumns(q, other.queryWeight, T * queryHeads);
    backend.scale(q, queryScale, T);
    other.cache.append(0, k, v, T, 7, 4);
    const seen = [one, other].map(async ({ cache, q: queries, out, norms }, i) => {
      const bench = [a, b][i];
      bench.backend.attention(out, queries, cache.rows(0), T);
      return [
        ...bench.read(queries, T),
        ...bench.read(out, T),
        ...(await bench.readScores(bench.backend.rowNorms(norms, cache.rows(0), 'keys'))),
        ...(await bench.readScores(bench.backend.rowNorms(norms, cache.rows(0), 'values'))),
        ...(await bench.readScores(bench.backend.rateTokens(norms, cache.rows(0), { plus: 0 }))),
      ];
    });
    assert.equal(await seen[0], await seen[1]);
  });
};
test('rows are normed, turned, scaled and appended', appended(false));
test('values are normed, too, and queries turned apart and weighed', appended(true));
test.run();
