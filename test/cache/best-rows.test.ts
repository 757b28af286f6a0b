// The rows of two heads that are kept when they are joined, against a plain sort of their union.
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BestRows } from '../../src/cache/best-rows.ts';

const test = suite('best rows');

interface Head {
  readonly tokens: Int32Array;
  readonly scores: Float32Array;
}

/** Heads of up to 12 rows among 20 tokens; few different scores, so that many are equal. */
const head = fc
  .uniqueArray(fc.record({ token: fc.nat(19), score: fc.nat(4) }), {
    selector: ({ token }) => token,
    maxLength: 12,
  })
  .map((rows): Head => {
    const ordered = [...rows].sort((a, b) => a.token - b.token);
    return {
      tokens: Int32Array.from(ordered, ({ token }) => token),
      scores: Float32Array.from(ordered, ({ score }) => score),
    };
  });

/** The same by a plain sort: rows of the first, or ~ rows of the second. */
function expected(first: Head, second: Head, count: number, sinks: number, recent: number) {
  const tokens = [...new Set([...first.tokens, ...second.tokens])].sort((a, b) => a - b);
  const scoreOf = (token: number) => {
    if (token < sinks || token >= recent) return Number.POSITIVE_INFINITY;
    const own = [first, second].map(({ tokens: all, scores }) => scores[all.indexOf(token)] ?? -1);
    return Math.max(...own);
  };
  const best = [...tokens].sort((a, b) => scoreOf(b) - scoreOf(a) || a - b).slice(0, count);
  return best
    .sort((a, b) => a - b)
    .map((token) => {
      const row = first.tokens.indexOf(token);
      return row >= 0 ? row : ~second.tokens.indexOf(token);
    });
}

const rowsOf = (first: Head, second: Head, count: number, sinks: number, recent: number) => {
  const best = new BestRows(12, new ArrayBuffer(12 * BestRows.ROW_BYTES), 0);
  return [...best.of(first, second, count, sinks, recent)];
};

test('the best of the union, every token once, in the order of tokens', () => {
  fc.assert(
    fc.property(head, head, fc.nat(12), (first, second, most) => {
      // no more than the first has, as for joined states; no row is protected: scores alone decide
      const count = Math.min(most, first.tokens.length);
      const plain = expected(first, second, count, 0, 100);
      assert.equal(rowsOf(first, second, count, 0, 100), plain);
    }),
  );
});

test('the first tokens and the last come before all others', () => {
  const first = { tokens: Int32Array.of(0, 3, 5), scores: Float32Array.of(0, 9, 1) };
  const second = { tokens: Int32Array.of(1, 5, 8), scores: Float32Array.of(7, 2, 0) };
  assert.equal(rowsOf(first, second, 3, 1, 8), [0, 1, ~2], 'tokens 0, 3 and 8');
  assert.equal(rowsOf(first, second, 3, 0, 100), [~0, 1, 2], 'by scores: tokens 1, 3 and 5');
});

test.run();
