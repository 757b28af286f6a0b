// Whether numbers are what they should be. That scores are none is told at once; what only the
// device knows, the next read tells.
import { describeValue } from '../../arguments.ts';
import type { Backend, LaterFault } from '../backend.ts';
import type { LayerRows } from '../cache.ts';
import { rowBytes, rowTypes } from '../dtype.ts';
import type { Scores } from '../tensor.ts';
import { wordOffset as word } from './heap.ts';
import type { Recorder } from './recorder.ts';
import { type DeviceScores, deviceRows, deviceScores, headWords } from './rows.ts';

type FaultOps = Pick<Backend, 'faultOf' | 'allFinite' | 'scoresFinite'>;

/** What is not finite, by its bit in shaders/find-nan.wgsl. */
const odd = ['queries', 'keys', 'values'] as const;

/** Bits of a float without its sign, at most: infinity's, and those of the largest number. */
const INFINITE = 0x7f800000;
const FINITE = 0x7f7fffff;

const unnamed: LaterFault = { count: 0, error: (fault) => new RangeError(`a score ${fault}`) };

export const faultOps = (recorder: Recorder): FaultOps => ({
  faultOf(given, cached, later = unnamed) {
    const fault = shapeFault(given, cached);
    if (fault === undefined) check(recorder, deviceScores(given), later, INFINITE);
    return fault;
  },
  scoresFinite(scores) {
    check(recorder, deviceScores(scores), unnamed, FINITE);
    return true;
  },
  allFinite({ address, columns }, n) {
    const number = recorder.faults.add(
      (_, at) => new RangeError(`number ${at} of ${n * columns} is not finite`),
    );
    const params = [word(address), n * columns, number];
    recorder.dispatch(recorder.kernels.get('find-odd', 'w'), [address], params, 1);
    return true;
  },
});

function shapeFault(given: Scores, cached: LayerRows): string | undefined {
  const { address, rows, unscored } = ((given as unknown) ?? {}) as Partial<DeviceScores>;
  if (typeof address !== 'number' || typeof unscored !== 'number' || !rows)
    return (
      `returned ${given instanceof Promise ? 'a promise' : describeValue(given)}, expected what ` +
      'an operation such as ops.rateTokens() gives, at once'
    );
  const { kvHeads, firstHead, part } = deviceRows(cached);
  if (rows.part !== part || rows.firstHead !== firstHead || rows.kvHeads !== kvHeads)
    return `rates other rows than those of the ${kvHeads} heads that it was shown`;
  return undefined;
}

/** Looks for a score whose bits are more than `most`. */
function check(
  recorder: Recorder,
  { address, rows, unscored }: DeviceScores,
  { queries, count, error }: LaterFault,
  most: number,
): void {
  const { part, rowType, headDim } = rows;
  const number = recorder.faults.add((head, row, bits) => {
    const found = odd.find((_, bit) => (bits >> bit) & 1);
    const what = most === INFINITE ? 'NaN' : 'not finite';
    return error(
      `is ${what} at row ${row} of head ${head}: return numbers, higher for what is to be kept`,
      found,
    );
  });
  const looked = queries ? [word(queries.address), count * queries.columns] : [0, 0];
  const row = [rowBytes(rowType, headDim) / 4, rowTypes[rowType].bits];
  recorder.dispatch(
    recorder.kernels.get('find-nan', 'wwww'),
    [address, part.notes, part.keys, part.values],
    [...headWords(rows, unscored), word(address), number, ...looked, ...row, most],
    1,
  );
}
