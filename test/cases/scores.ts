// Cases of the operations on scores: heads of equal and of other lengths, ties, infinities, states
// that are half known, what is no number.
import type { Tensor } from '../../src/backend/tensor.ts';
import type { Bench, CachedRows } from './bench.ts';
import { type OpCase, sum } from './case.ts';

const d = 8;
/** Rows of each head. */
export const scoreSizes = [[1], [3, 5], [4, 4], [64, 65, 7], [130, 130], [9, 1, 33, 2]];

/** Rows of tokens 0, 1, 3, 4, 6 .., with states of which the last third is 0. */
export function rowsFor(b: Bench, lengths: readonly number[]): CachedRows {
  const tokens = (length: number) => Array.from({ length }, (_, i) => i + (i >> 1));
  return b.cached(lengths, d, 'f32', tokens, (length) => {
    const known = length - Math.ceil(length / 3);
    return [...b.numbers(length)].map((x, i) => (i < known ? Math.abs(x) + 0.1 : 0));
  });
}

/** Numbers with ties, and infinities where they are wanted. */
export function numbersFor(b: Bench, n: number, isInfinite = false): number[] {
  return [...b.numbers(n)].map((x, i) => {
    if (isInfinite && i % 11 === 3) return i % 2 ? Infinity : -Infinity;
    return i % 5 === 0 ? 0.25 : x;
  });
}

const absolute = (numbers: readonly number[]) => numbers.map(Math.abs);
const room = (b: Bench, counts: readonly number[]) => b.room(4 * sum(counts));

type Given = Pick<OpCase, 'op' | 'run'> & Partial<OpCase>;
const caseOf = (given: Given): OpCase => ({ sizes: scoreSizes, tolerance: 0, ...given });

const plain: OpCase[] = [
  caseOf({
    op: 'rateTokens',
    run: (b, l) =>
      b.readScores(
        b.backend.rateTokens(room(b, l), rowsFor(b, l).rows, (token, h) => token * 3 + h / 4),
      ),
  }),
  ...[0, -(2 ** 24)].map((plus) =>
    caseOf({
      op: `rateTokens plus ${plus}`,
      run: (b, l) => b.readScores(b.backend.rateTokens(room(b, l), rowsFor(b, l).rows, { plus })),
    }),
  ),
  caseOf({
    op: 'negate and multiply',
    tolerance: 1e-6,
    async run(b, l) {
      const of = rowsFor(b, l);
      const [s, by] = [0, 1].map(() => b.scores(of, numbersFor(b, sum(l))));
      b.backend.negate(s);
      b.backend.multiply(s, by);
      return b.readScores(s);
    },
  }),
  caseOf({
    op: 'addToState',
    tolerance: 1e-6,
    async run(b, l) {
      const of = rowsFor(b, l);
      const s = b.scores(of, numbersFor(b, sum(l)));
      b.backend.addToState(s, of.rows, 3, 400);
      return [...(await b.readScores(s)), ...(await b.readStates(of))];
    },
  }),
  caseOf({
    op: 'keepAsState',
    async run(b, l) {
      const of = rowsFor(b, l);
      b.backend.keepAsState(of.rows, b.scores(of, numbersFor(b, sum(l))));
      return b.readStates(of);
    },
  }),
  caseOf({
    op: 'averagePool',
    sizes: [
      [1, 4],
      [3, 1, 2],
      [5, 7, 64],
      [7, 3, 3],
      [5, 130, 130],
    ],
    tolerance: 1e-6,
    async run(b, [size, ...l]) {
      const from = b.scores(rowsFor(b, l), b.numbers(sum(l)));
      return b.readScores(b.backend.averagePool(room(b, l), from, size));
    },
  }),
];

const inPlace = (['meanOverHeads', 'raiseToMean'] as const).map((op) =>
  caseOf({
    op,
    tolerance: 1e-6,
    async run(b, l) {
      const s = b.scores(rowsFor(b, l), numbersFor(b, sum(l)));
      b.backend[op](s);
      return b.readScores(s);
    },
  }),
);

const folding = (['first', 'mean', 'max'] as const).map((how) =>
  caseOf({
    op: `fold ${how}`,
    tolerance: 1e-6,
    async run(b, l) {
      const of = rowsFor(b, l);
      const into = b.scores(of, numbersFor(b, sum(l))).address;
      const s = b.scores(of, numbersFor(b, sum(l)));
      return b.readScores(b.backend.fold(into, s, how === 'max' ? 1 : 0.3, how));
    },
  }),
);

// where 5 rows are the most, they are reached before the mass is
const raising = [
  [0.3, 20],
  [0.9, 20],
  [0.99, 5],
].map(([mass, rows]) =>
  caseOf({
    op: `raiseMost ${mass}`,
    async run(b, l) {
      const of = rowsFor(b, l);
      const s = b.scores(of, numbersFor(b, sum(l)));
      const looks = b.scores(of, absolute(numbersFor(b, sum(l))));
      const recent = Math.min(3, ...l);
      b.backend.raiseMost(s, looks, { mass, recent, rows }, room(b, l));
      return b.readScores(s);
    },
  }),
);

const protecting = caseOf({
  op: 'protect',
  async run(b, l) {
    const of = rowsFor(b, l);
    const rated = b.scores(of, numbersFor(b, sum(l)), Math.min(2, ...l));
    const found = [
      { sinks: 0, recent: 1 },
      { sinks: 4, recent: 3 },
    ].map((who) => b.backend.protect(room(b, l), of.rows, rated, who));
    return (await Promise.all(found.map((own) => b.readScores(own)))).flat();
  },
});

/**
 * Whether a backend finds fault: at once, or, where it cannot, by rejecting the next read. It is
 * fine again afterwards.
 */
async function isFine(b: Bench, at: number, said: boolean): Promise<number> {
  const read = await b.backend.readInts(at, 1).then(
    () => true,
    () => false,
  );
  return Number(said && read);
}

const checking = caseOf({
  op: 'faultOf, scoresFinite and allFinite',
  async run(b, l) {
    const of = rowsFor(b, l);
    const n = sum(l);
    const wrong = [...numbersFor(b, n - 1), Number.NaN];
    const found: number[] = [];
    for (const numbers of [numbersFor(b, n), numbersFor(b, n, true), wrong]) {
      const [x, s] = [b.tensor(n, 1, Float32Array.from(numbers)), b.scores(of, numbers)];
      const fine = (said: boolean) => isFine(b, x.address, said);
      found.push(
        await fine(b.backend.faultOf(s, of.rows) === undefined),
        await fine(b.backend.scoresFinite(s)),
        await fine(b.backend.allFinite(x, n)),
      );
    }
    return found;
  },
});

/** What is no finite number, by its bits: quiet and signalling, of both signs. */
const bits = [0x7fc00000, 0xffc00000, 0x7f800001, 0xffbfffff, 0x7f800000, 0xff800000];

const byBits = caseOf({
  op: 'allFinite, by the bits',
  sizes: [[0], [1], [5], [64], [1031]],
  async run(b, [n]) {
    const x: Tensor = b.tensor(1, n);
    const found = [await isFine(b, x.address, b.backend.allFinite(x, 1))];
    for (const [i, word] of bits.entries()) {
      const at = x.address + 4 * ((i * 7919) % Math.max(1, n));
      if (n === 0) continue;
      const before = await b.backend.readInts(at, 1);
      b.backend.write(at, Int32Array.of(word));
      found.push(await isFine(b, x.address, b.backend.allFinite(x, 1)));
      b.backend.write(at, before);
    }
    found.push(await isFine(b, x.address, b.backend.allFinite(x, 1)));
    return found;
  },
});

export const scoreCases: readonly OpCase[] = [
  ...plain,
  ...inPlace,
  ...folding,
  ...raising,
  protecting,
  checking,
  byBits,
];
