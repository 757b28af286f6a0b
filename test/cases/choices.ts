// Cases of which rows stay by their scores, and of scores weighed by projected values, with weights
// of every type.
import type { Selection, Share } from '../../src/backend/backend.ts';
import { rowTypeNames, weightTypes } from '../../src/backend/dtype.ts';
import type { Bench } from './bench.ts';
import { type OpCase, sum } from './case.ts';
import { fitting, needs } from './row-sizes.ts';
import { numbersFor, rowsFor, scoreSizes } from './scores.ts';

const listsOf = async (b: Bench, selection: Selection): Promise<number[]> =>
  (await b.backend.readSelection(selection)).flatMap((rows) => [rows.length, ...rows]);

const shares: Share[] = [
  { rows: 3, sinks: 0, heads: 'uniform', safeguard: 0 },
  { rows: 20, sinks: 4, heads: 'uniform', safeguard: 0.2 },
  { rows: 3, sinks: 0, heads: 'adaptive', safeguard: 0 },
  { rows: 20, sinks: 4, heads: 'adaptive', safeguard: 0.2 },
  { rows: 200, sinks: 1, heads: 'adaptive', safeguard: 1 },
];

const selecting = shares.map((share): OpCase => ({
  op: `select ${share.heads}, ${share.rows} rows, safeguard ${share.safeguard}`,
  sizes: scoreSizes,
  tolerance: 0,
  async run(b, l) {
    const of = rowsFor(b, l);
    const scores = b.scores(of, numbersFor(b, sum(l), true));
    return listsOf(b, b.backend.select(b.room(4 * sum(l)), of.rows, scores, share));
  },
}));

/** Scores of which most are alike, and of which each is: ties go to the lower row and head. */
const ties = (['uniform', 'adaptive'] as const).map((heads): OpCase => ({
  op: `select ${heads}, ties`,
  sizes: [
    [1, 7, 7],
    [2, 64, 65],
    [3, 300, 5],
  ],
  tolerance: 0,
  async run(b, [different, ...l]) {
    const of = rowsFor(b, l);
    // both zeros are the same number
    const numbers = Array.from({ length: sum(l) }, (_, i) =>
      different === 1 ? (i % 3 ? -0 : 0) : b.whole(different),
    );
    const share = { rows: 4, sinks: 0, heads, safeguard: 0.5 };
    const scores = b.scores(of, numbers);
    return listsOf(b, b.backend.select(b.room(4 * sum(l)), of.rows, scores, share));
  },
}));

const listing: OpCase = {
  op: 'selectListed',
  sizes: scoreSizes,
  tolerance: 0,
  async run(b, l) {
    const list = Array.from({ length: Math.min(...l) }, (_, i) => i).filter((i) => i % 3 !== 1);
    const kept = b.room(4 * sum(l));
    return listsOf(b, b.backend.selectListed(kept, rowsFor(b, l).rows, list));
  },
};

const weighed: OpCase[] = weightTypes.map((type) => {
  const fits = ([d, group]: readonly number[]) =>
    type.elements === 1 || (d * group * 2) % type.elements === 0;
  // dimensions, group, outputs and rows; a head's columns begin within a block, or with one
  const sizes = [
    [8, 1, 1, 3],
    [32, 2, 3, 65],
    [64, 3, 8, 7],
    [64, 2, 9, 7],
    [128, 4, 3, 66],
  ].filter(fits);
  return {
    op: `weighByValues ${type.name}`,
    sizes: [sizes[0], sizes.at(-1)!],
    more: sizes.slice(1, -1),
    tolerance: 1e-5,
    rows: needs('f16'),
    async run(b, [d, group, m, n]) {
      const l = [n, n + 2];
      const known = (length: number, h: number) =>
        Array.from({ length }, (_, i) => (i < 3 * h ? 0.5 + i : 0));
      const tokens = (length: number) => Array.from({ length }, (_, i) => i);
      const of = b.cached(l, d, 'f16', tokens, known);
      const s = b.scores(of, numbersFor(b, sum(l)).map(Math.abs));
      const output = b.weight(type, m, 2 * group * d);
      b.backend.weighByValues(s, of.rows, output, b.room(4 * sum(l)));
      return [...(await b.readScores(s)), ...(await b.readStates(of))];
    },
  };
});

const weighedRows = rowTypeNames.map((type): OpCase => {
  const fit = fitting(type);
  return {
    op: `weighByValues, rows of ${type}`,
    sizes: [
      [24, 2, 12, 3, 5],
      [64, 1, 5, 64, 65, 7],
    ],
    tolerance: 1e-5,
    rows: needs(type),
    async run(b, [dim, group, m, ...l]) {
      const d = fit(dim);
      const of = b.cached(l, d, type);
      const s = b.scores(of, numbersFor(b, sum(l)).map(Math.abs));
      const output = b.weight(weightTypes[0], m, l.length * group * d);
      b.backend.weighByValues(s, of.rows, output, b.room(4 * sum(l)));
      return [...(await b.readScores(s)), ...(await b.readStates(of))];
    },
  };
});

export const choiceCases: readonly OpCase[] = [
  ...selecting,
  ...ties,
  listing,
  ...weighed,
  ...weighedRows,
];
