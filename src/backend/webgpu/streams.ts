// Hidden states in several streams.
import type { StreamOps } from '../streams.ts';
import { groupsFor } from './elements.ts';
import { wordOffset as word } from './heap.ts';
import type { Recorder } from './recorder.ts';

export function streamOps(recorder: Recorder): StreamOps {
  const { kernels } = recorder;
  return {
    predictStreams(y, x, c, n) {
      const { count, columns } = x;
      recorder.dispatch(
        kernels.get('predict-streams', 'w'),
        [y.address],
        [word(y.address), word(x.address), word(c.address), n, columns, count],
        groupsFor(count * n * columns),
      );
    },
    correctStreams(x, y, c, n) {
      const { count, columns } = x;
      recorder.dispatch(
        kernels.get('correct-streams', 'w'),
        [x.address],
        [word(x.address), word(y.address), word(c.address), n, columns, count],
        groupsFor(n * columns),
      );
    },
    matchNorms(y, x, n) {
      const params = [word(y.address), word(x.address), n, y.columns];
      recorder.dispatch(kernels.get('match-norms', 'w'), [y.address], params, n);
    },
  };
}
