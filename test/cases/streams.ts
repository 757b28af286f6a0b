// Cases of hidden states in several streams.
import type { Streams } from '../../src/backend/streams.ts';
import type { Bench } from './bench.ts';
import type { OpCase } from './case.ts';

/** Tokens, columns and streams. */
const sizes = [
  [0, 4, 4],
  [1, 1, 1],
  [1, 64, 4],
  [3, 7, 2],
  [5, 33, 4],
  [2, 130, 3],
];

const drawn = (b: Bench, n: number, columns: number, count: number): Streams => ({
  ...b.tensor(count * n, columns),
  count,
});
/** All of them, of n tokens. */
const read = (b: Bench, { address, columns, count }: Streams, n: number) =>
  b.floats({ address, columns }, count * n);

export const streamCases: readonly OpCase[] = [
  {
    op: 'predictStreams',
    sizes,
    tolerance: 1e-6,
    async run(b, [n, d, count]) {
      const x = drawn(b, n, d, count);
      const y = { ...b.empty(count * n, d), count };
      b.backend.predictStreams(y, x, b.tensor(n, count ** 2), n);
      return [...(await read(b, y, n)), ...(await read(b, x, n))];
    },
  },
  {
    op: 'correctStreams',
    sizes,
    tolerance: 1e-6,
    async run(b, [n, d, count]) {
      const [x, y] = [drawn(b, n, d, count), drawn(b, n, d, count)];
      b.backend.correctStreams(x, y, b.tensor(n, count), n);
      return [...(await read(b, x, n)), ...(await read(b, y, n))];
    },
  },
  {
    op: 'matchNorms',
    sizes: [
      [0, 4],
      [1, 1],
      [3, 7],
      [5, 64],
      [2, 1025],
    ],
    tolerance: 1e-6,
    async run(b, [n, d]) {
      const [y, x, zeros] = [
        b.tensor(n, d),
        b.tensor(n, d),
        b.tensor(n, d, new Float32Array(n * d)),
      ];
      b.backend.matchNorms(y, x, n);
      b.backend.matchNorms(zeros, x, n);
      b.backend.matchNorms(x, zeros, n);
      const all = [y, zeros, x].map((of) => b.floats(of, n));
      return (await Promise.all(all)).flatMap((numbers) => [...numbers]);
    },
  },
];
