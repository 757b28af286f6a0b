// Scores, kept rows and choices on a WebGPU device: every policy against an independent f64
// implementation (test/fixtures/policies.json) or, where that has it not, against the reference;
// choices against a plain sort.
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Share } from '../../src/backend/backend.ts';
import { createReferenceBackend } from '../../src/backend/reference.ts';
import { DeviceError } from '../../src/errors.ts';
import { type ScoreReport, scoreTensors } from '../../src/eval/score.ts';
import type { TensorFile } from '../../src/eval/tensor-file.ts';
import type { Score } from '../../src/policy/policy.ts';
import { policies } from '../../src/policy/registry.ts';
import { rateRows } from '../../src/policy/score.ts';
import { fixture, readJson } from '../fixtures.ts';
import { openTestDevice } from '../gpu.ts';
import { rejects } from '../rejects.ts';
import { skip } from '../skip.ts';

const data = readJson<TensorFile & Required<ScoreReport>>(fixture('policies.json'));
/** What the fixture's README grants an f32 implementation, relative to the largest score. */
const TOLERANCE = 1e-5;
const REFERENCE_BYTES = 16 << 20;

const test = suite('policies on a device');
const opened = await openTestDevice();

/** Rows that one list has and the other has not. */
const unlike = (a: readonly number[], b: readonly number[]) => [
  ...a.filter((i) => !b.includes(i)),
  ...b.filter((i) => !a.includes(i)),
];

if ('reason' in opened) skip('policy/device.test.js', 'policies on a device', opened.reason);
else {
  const { backend } = opened;
  const reference = createReferenceBackend(REFERENCE_BYTES);
  // the file has queries after RoPE, expected attention wants them before
  const names = policies
    .filter(({ evicts, name }) => evicts && name !== 'expected-attention')
    .map(({ name }) => name);
  for (const name of new Set([...names, ...Object.keys(data.scores)])) {
    test(`${name}: scores and rows kept agree`, async () => {
      const { scores, kept } = await scoreTensors(data, [name], backend);
      const expected = name in data.scores ? data : await scoreTensors(data, [name], reference);
      const wanted = expected.scores[name];
      const near = TOLERANCE * Math.max(1, ...wanted.flat().map(Math.abs));
      wanted.forEach((own, h) => {
        assert.is(scores[name][h].length, own.length);
        own.forEach((s, i) => {
          const found = scores[name][h][i];
          assert.ok(Math.abs(found - s) <= near, `head ${h} row ${i}: ${found}, expected ${s}`);
        });
      });
      for (const [heads, rows] of Object.entries(expected.kept[name] ?? {})) {
        const found = kept[name][heads as 'uniform'];
        assert.is(found.flat().length, rows.flat().length, heads);
        // rows may change places where their scores are the same but for rounding
        const moved = rows.flatMap((own, h) => unlike(own, found[h]).map((i) => wanted[h][i]));
        assert.ok(Math.max(...moved) - Math.min(...moved) <= 2 * near || moved.length === 0, heads);
      }
    });
  }

  const scoresOf = (length: number) =>
    fc.array(
      fc.oneof(
        fc.constantFrom(0, -0, 0.5, 1, Infinity, -Infinity),
        fc.float({ noNaN: true, noDefaultInfinity: true }),
      ),
      { minLength: length, maxLength: length },
    );

  /** Room for rows of three heads of 8: what they are, and what is kept a row. */
  function threeHeads(n: number) {
    const shape = { kvHeads: 3, headDim: 8, rowType: 'f32', keptRows: [0], room: n } as const;
    const cache = backend.createCache(shape);
    const release = backend.reserveScratch({ ...shape, tokens: 1, queryHeads: 3, width: 32 });
    const rooms = [0, 1, 2, 3].map(() => backend.arena.allocate(4 * n * 24));
    const [x, out, spare, extra] = rooms;
    return {
      ...{ x, out, spare, extra },
      /** Rows of these tokens, whose numbers are those at x. */
      rows(length: number, token: number) {
        const tensor = { address: x, columns: 24 };
        cache.clear();
        cache.append(0, tensor, tensor, length, token);
        return cache.rows(0);
      },
      dispose() {
        cache.dispose();
        release();
        for (const room of rooms) backend.arena.free(room);
      },
    };
  }

  test('scores that are NaN are told by the next read, with whose fault it is', async () => {
    const room = threeHeads(9);
    const { x, out, spare, extra } = room;
    const rate = (score: Score) => {
      const view = { layer: 3, cached: room.rows(9, 0), tokens: 9, count: 1, ...common };
      rateRows({ name: 'odd', score }, view, backend);
      return backend.readFloats(out, 1);
    };
    const queries = { address: extra, columns: 24 };
    const common = { queries, recent: 0, keeps: 4, out, spare, extra, seed: 0 };
    const bad: Score = ({ cached }, ops) =>
      ops.rateTokens(out, cached, (token, h) => (h === 1 && token > 6 ? Number.NaN : token));
    for (const address of [x, extra]) backend.write(address, new Float32Array(24 * 9).fill(1));
    await rate(({ cached }, ops) => ops.rateTokens(out, cached, { plus: 0 }));
    const named = /policy 'odd', layer 3: its score is NaN at row 7 of head 1/;
    await rejects(rate(bad), 'OptionError', named);
    await backend.readFloats(out, 1);
    backend.write(x + 4 * 24 * 5, Float32Array.of(Number.POSITIVE_INFINITY));
    await rejects(rate(bad), 'ModelFormatError', /layer 3: keys are not finite/);
    backend.write(extra + 4 * 5, Float32Array.of(Number.NaN));
    await rejects(rate(bad), 'ModelFormatError', /layer 3: queries are not finite/);
    assert.throws(() => rate(() => 5 as never), /its score returned 5/);
    await backend.readFloats(out, 1).catch(() => {});
    room.dispose();
  });

  for (const gone of [true, false])
    test(`rows that were not shown have no score${gone ? ', and are gone' : ''}`, async () => {
      const found = await Promise.all(
        [backend, reference].map(async (own) => {
          const shape = {
            kvHeads: 2,
            headDim: 8,
            rowType: 'f32',
            keptRows: [0],
            room: 17,
          } as const;
          const cache = own.createCache(shape);
          const [x, out, to] = [0, 1, 2].map(() => own.arena.allocate(4 * 16 * 17));
          const rows = { address: x, columns: 16 };
          own.write(x, new Float32Array(16 * 17));
          cache.append(0, rows, rows, 12, 0);
          const mark = cache.mark(12);
          cache.append(0, rows, rows, 5, 12);
          const scores = own.rateTokens(out, cache.rows(0, 5), { plus: 0.5 });
          if (gone) cache.rewindLayer(0, mark);
          const all = own.protect(to, cache.rows(0), scores, { sinks: 2, recent: 3 });
          const heads = await own.readScores(all);
          cache.dispose();
          for (const room of [x, out, to]) own.arena.free(room);
          return heads.map((head) => [...head]);
        }),
      );
      assert.equal(found[0], found[1]);
      assert.is(found[0][0].filter(Number.isFinite).length, gone ? 7 : 10);
    });

  test('a rate is told for so many tokens only', () => {
    const room = threeHeads(1);
    const rows = room.rows(1, 2 ** 21);
    assert.throws(
      () => backend.rateTokens(room.out, rows, (token) => token),
      (e: Error) =>
        e instanceof DeviceError && /rates of 2097153 tokens and 3 .*plus/.test(e.message),
    );
    room.dispose();
  });

  test('what is chosen is what a sort chooses', async () => {
    const n = 300;
    const room = threeHeads(n);
    const { out, extra: kept } = room;
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: n }).chain((length) =>
          fc.record({
            numbers: fc.tuple(scoresOf(length), scoresOf(length), scoresOf(length)),
            rows: fc.integer({ min: 0, max: length + 2 }),
            sinks: fc.integer({ min: 0, max: 9 }),
            heads: fc.constantFrom('uniform' as const, 'adaptive' as const),
            safeguard: fc.constantFrom(0, 0.2, 1),
          }),
        ),
        async ({ numbers, ...share }) => {
          const length = numbers[0].length;
          const rows = room.rows(length, 2);
          const scores = backend.rateTokens(out, rows, (token, h) => numbers[h][token - 2] ?? 0);
          const found = await backend.readSelection(backend.select(kept, rows, scores, share));
          assert.equal(
            found.map((own) => [...own]),
            sorted(numbers, share),
          );
        },
      ),
      { numRuns: 40 },
    );
    room.dispose();
  });

  test.after(() => backend.dispose());
}

/** The rows that stay, of tokens 2, 3, ..: plainly. */
function sorted(numbers: readonly number[][], share: Share): number[][] {
  const { rows, sinks, heads, safeguard } = share;
  const all = numbers.map((own, h) => own.map((s, i) => ({ s, i, h })));
  const ofSinks = numbers.map((own) => Math.max(0, Math.min(own.length, sinks - 2)));
  const best = (from: { s: number; i: number; h: number }[], count: number) =>
    // a sort keeps the order of equals; 0 and -0 are
    [...from].sort((a, b) => (a.s === b.s ? 0 : b.s - a.s)).slice(0, count);
  const chosen =
    heads === 'uniform'
      ? all.flatMap((own, h) => best(own, rows + ofSinks[h]))
      : best(
          all.flatMap((own) => {
            const certain = new Set(best(own, Math.floor(safeguard * rows)));
            return own.map((one) => (certain.has(one) ? { ...one, s: Infinity } : one));
          }),
          numbers.length * rows + ofSinks.reduce((a, b) => a + b, 0),
        );
  return numbers.map((_, h) =>
    chosen
      .filter((one) => one.h === h)
      .map(({ i }) => i)
      .sort((a, b) => a - b),
  );
}

test.run();
