// Cases of the operations on scores and selections: heads of equal and of other lengths, ties,
// infinities, states that are half known.
import type { Share } from '../../src/backend/backend.ts';
import { weightTypes } from '../../src/backend/dtype.ts';
import type { CpuRows, CpuScores, CpuSelection } from '../../src/backend/cpu/memory.ts';
import { rowsOf, scoresOf } from '../rows.ts';
import type { Bench, OpCase } from './ops.ts';

const d = 8;
const sizes = [[1], [3, 5], [4, 4], [64, 65, 7], [130, 130], [9, 1, 33, 2]];
const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

/** Rows of tokens 0, 1, 3, 4, 6 .., with states of which the last third is 0. */
function rowsFor(b: Bench, lengths: readonly number[]): CpuRows {
  const heads = b.heads(lengths, d, 'f32');
  for (const { tokens, state, length } of heads) {
    b.backend.write(
      tokens,
      Int32Array.from({ length }, (_, i) => i + (i >> 1)),
    );
    const known = length - Math.ceil(length / 3);
    const states = b.numbers(length).map((x, i) => (i < known ? Math.abs(x) + 0.1 : 0));
    b.backend.write(state, states);
  }
  return rowsOf(heads, d, 'f32');
}

/** Scores with ties, and infinities where they are wanted. */
function scoresFor(b: Bench, counts: readonly number[], isInfinite = false): CpuScores {
  const n = sum(counts);
  const address = b.room(n * 4);
  const numbers = b.numbers(n).map((x, i) => {
    if (isInfinite && i % 11 === 3) return i % 2 ? Infinity : -Infinity;
    return i % 5 === 0 ? 0.25 : x;
  });
  b.backend.write(address, numbers);
  return scoresOf(address, counts);
}

const positive = (b: Bench, scores: CpuScores) => {
  const all = b.backend.floats(scores.address, sum(scores.counts));
  for (let i = 0; i < all.length; i++) all[i] = Math.abs(all[i]);
  return scores;
};
const room = (b: Bench, counts: readonly number[]) => b.room(4 * sum(counts));
const statesOf = (b: Bench, { heads }: CpuRows) =>
  heads.flatMap(({ state, length }) => [...b.backend.floats(state, length)]);
const listsOf = (b: Bench, { heads }: CpuSelection) =>
  heads.flatMap(({ rows, count }) => [count, ...b.backend.ints(rows, count)]);

/** A case whose results are the reference's to the bit. */
const exact = (op: string, run: OpCase['run']): OpCase => ({ op, sizes, tolerance: 0, run });

const plain: OpCase[] = [
  {
    op: 'rateTokens',
    sizes,
    tolerance: 0,
    run: (b, l) =>
      b.scores(b.backend.rateTokens(room(b, l), rowsFor(b, l), (token, h) => token * 3 + h / 4)),
  },
  ...[0, -(2 ** 24)].map((plus) =>
    exact(`rateTokens plus ${plus}`, (b, l) =>
      b.scores(b.backend.rateTokens(room(b, l), rowsFor(b, l), { plus })),
    ),
  ),
  {
    op: 'negate and multiply',
    sizes,
    tolerance: 1e-6,
    run(b, l) {
      const [s, by] = [scoresFor(b, l), scoresFor(b, l)];
      b.backend.negate(s);
      b.backend.multiply(s, by);
      return b.scores(s);
    },
  },
  {
    op: 'addToState',
    sizes,
    tolerance: 1e-6,
    run(b, l) {
      const [rows, s] = [rowsFor(b, l), scoresFor(b, l)];
      b.backend.addToState(s, rows, 3, 400);
      return [...b.scores(s), ...statesOf(b, rows)];
    },
  },
  {
    op: 'keepAsState',
    sizes,
    tolerance: 0,
    run(b, l) {
      const rows = rowsFor(b, l);
      b.backend.keepAsState(rows, scoresFor(b, l));
      return statesOf(b, rows);
    },
  },
  {
    op: 'weighByValues',
    sizes,
    tolerance: 1e-5,
    run(b, l) {
      const rows = rowsFor(b, l);
      const s = positive(b, scoresFor(b, l));
      const wo = b.weight(weightTypes[0], 12, l.length * 2 * d);
      b.backend.weighByValues(s, rows, wo, room(b, l));
      return [...b.scores(s), ...statesOf(b, rows)];
    },
  },
];

const inPlace = (['meanOverHeads', 'raiseToMean'] as const).map((op): OpCase => ({
  op,
  sizes,
  tolerance: 1e-6,
  run(b, l) {
    const s = scoresFor(b, l);
    b.backend[op](s);
    return b.scores(s);
  },
}));

const folding: OpCase[] = (['first', 'mean', 'max'] as const).map((how) => ({
  op: `fold ${how}`,
  sizes,
  tolerance: 1e-6,
  run(b, l) {
    const into = scoresFor(b, l).address;
    return b.scores(b.backend.fold(into, scoresFor(b, l), how === 'max' ? 1 : 0.3, how));
  },
}));

const raising = [0.3, 0.9].map((mass) =>
  exact(`raiseMost ${mass}`, (b, l) => {
    const [s, looks] = [scoresFor(b, l), positive(b, scoresFor(b, l))];
    const recent = Math.min(3, ...l);
    b.backend.raiseMost(s, looks, { mass, recent, rows: 20 }, room(b, l));
    return b.scores(s);
  }),
);

const protecting = exact('protect and join, behind others', (b, l) => {
  const rows = rowsFor(b, l);
  const rated = scoresFor(
    b,
    l.map((n) => n - Math.min(2, ...l)),
  );
  const to = b.room(8 * sum(l));
  const first = b.backend.protect(to, rows, rated, { sinks: 0, recent: 1 });
  const second = b.backend.protect(first, rows, rated, { sinks: 4, recent: 3 });
  return b.scores(b.backend.join(first, second));
});

const shares: Share[] = [
  { rows: 3, sinks: 0, heads: 'uniform', safeguard: 0 },
  { rows: 20, sinks: 4, heads: 'uniform', safeguard: 0.2 },
  { rows: 3, sinks: 0, heads: 'adaptive', safeguard: 0 },
  { rows: 20, sinks: 4, heads: 'adaptive', safeguard: 0.2 },
  { rows: 200, sinks: 1, heads: 'adaptive', safeguard: 1 },
];
const selecting = shares.map((share) =>
  exact(`select ${share.heads}, ${share.rows} rows, safeguard ${share.safeguard}`, (b, l) => {
    const selection = b.backend.select(room(b, l), rowsFor(b, l), scoresFor(b, l, true), share);
    return listsOf(b, selection as CpuSelection);
  }),
);

const listing = exact('selectListed', (b, l) => {
  const list = Array.from({ length: Math.min(...l) }, (_, i) => i).filter((i) => i % 3 !== 1);
  const kept = b.room(4 * l.length * list.length);
  return listsOf(b, b.backend.selectListed(kept, rowsFor(b, l), list) as CpuSelection);
});

const checking = exact('faultOf, scoresFinite and allFinite', (b, l) => {
  const rows = rowsFor(b, l);
  const [fine, infinite, wrong] = [scoresFor(b, l), scoresFor(b, l, true), scoresFor(b, l)];
  const last = sum(l) - 1;
  b.backend.floats(wrong.address, last + 1)[last] = Number.NaN;
  return [fine, infinite, wrong].flatMap((scores) => [
    Number(b.backend.faultOf(scores, rows) === undefined),
    Number(b.backend.scoresFinite(scores)),
    Number(b.backend.allFinite({ address: scores.address, columns: 1 }, last + 1)),
  ]);
});

export const scoreCases: readonly OpCase[] = [
  listing,
  checking,
  ...plain,
  ...inPlace,
  ...folding,
  ...raising,
  protecting,
  ...selecting,
];
