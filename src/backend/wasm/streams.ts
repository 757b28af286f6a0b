// Hidden states in several streams.
import type { StreamOps, Streams } from '../streams.ts';
import type { Tensor } from '../tensor.ts';
import { call } from './call.ts';
import { type Context, shareRows } from './context.ts';

export function streamOps(context: Context): StreamOps {
  const { numbers } = context;
  const share = (
    kernel: typeof numbers.predict_streams | typeof numbers.correct_streams,
    [to, from]: readonly [to: Streams, from: Streams],
    c: Tensor,
    numbersOf: number,
    n: number,
  ): void => {
    const { columns: d, count: s } = to;
    shareRows(context, n, d * numbersOf, (i, count) => {
      const [y, x] = [to, from].map(({ address }) => address + i * d * 4);
      return call(kernel, y, x, c.address + i * numbersOf * 4, count, d, s, n * d);
    });
  };
  return {
    predictStreams: (y, x, c, n) => share(numbers.predict_streams, [y, x], c, x.count ** 2, n),
    correctStreams: (x, y, c, n) => share(numbers.correct_streams, [x, y], c, x.count, n),
    matchNorms(y, x, n) {
      const d = y.columns;
      shareRows(context, n, d, (i, count) => {
        const at = i * d * 4;
        return call(numbers.match_norms, y.address + at, x.address + at, count, d);
      });
    },
  };
}
