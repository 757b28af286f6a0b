// Hidden states in several streams.
import { streamOf, type StreamOps, type Streams } from '../streams.ts';
import { dot } from './math.ts';
import type { Memory } from './memory.ts';

export function streamOps({ row }: Memory): StreamOps {
  /** Token t of each stream. */
  const rowsOf = (streams: Streams, t: number, n: number) =>
    Array.from({ length: streams.count }, (_, s) => row(streamOf(streams, s, n), t));

  return {
    predictStreams(y, x, c, n) {
      for (let t = 0; t < n; t++) {
        const [from, by] = [rowsOf(x, t, n), row(c, t, x.count ** 2)];
        for (const [o, to] of rowsOf(y, t, n).entries())
          to.set(
            Array.from(to, (_, j) =>
              from.reduce((sum, stream, i) => sum + by[o * x.count + i] * stream[j], from[o][j]),
            ),
          );
      }
    },
    correctStreams(x, y, c, n) {
      for (let t = 0; t < n; t++) {
        const [to, from, by] = [rowsOf(x, t, n), rowsOf(y, t, n), row(c, t, x.count)];
        const change = Array.from(to[0], (made, j) => made - from[0][j]);
        for (const [s, stream] of to.entries())
          stream.set(change.map((d, j) => from[s][j] + (1 + by[s]) * d));
      }
    },
    matchNorms(y, x, n) {
      for (let i = 0; i < n; i++) {
        const [to, like] = [row(y, i), row(x, i, y.columns)];
        const own = dot(to, to);
        if (own > 0) to.set(to.map((v) => v * Math.sqrt(dot(like, like) / own)));
      }
    },
  };
}
