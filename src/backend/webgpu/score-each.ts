// One kernel for all that is done score by score, or row by row.
import type { Address, Scores } from '../tensor.ts';
import { wordOffset as word } from './heap.ts';
import { floatWord } from './kernels.ts';
import type { Recorder } from './recorder.ts';
import { type DeviceRows, deviceScores, headWords } from './rows.ts';

/** Numbers that shaders/score-each.wgsl knows its operations by. */
const how = {
  negate: 0,
  multiply: 1,
  first: 2,
  mean: 3,
  max: 4,
  keepAsState: 5,
  addToState: 6,
  plus: 7,
  table: 8,
  protect: 9,
  averagePool: 10,
  meanOverHeads: 11,
  list: 12,
} as const;

/** What an operation of score-each.wgsl works with, beside the scores that it writes. */
interface Operands {
  readonly other?: Address;
  readonly x?: number;
  readonly a?: number;
  readonly b?: number;
  readonly unscored?: number;
}

const LANES = 64;
/** Workgroups that share a head at most: heads may be much shorter than they can be. */
const MOST_TILES = 64;
export const tilesOf = ({ most }: DeviceRows): number =>
  Math.max(1, Math.min(MOST_TILES, Math.ceil(most / LANES)));

export function createEach(recorder: Recorder) {
  /** Does it to rows that are shown, all but the `unscored` last ones. */
  function each(
    name: keyof typeof how,
    rows: DeviceRows,
    to: Address,
    { other = to, x = 0, a = 0, b = 0, unscored = 0 }: Operands = {},
  ): void {
    const tiles = tilesOf(rows);
    recorder.dispatch(
      recorder.kernels.get('score-each', 'ww'),
      [to, rows.part.notes],
      [
        ...headWords(rows, unscored),
        ...[how[name], tiles, word(to), word(other), floatWord(x), a, b],
      ],
      tiles * (name === 'meanOverHeads' ? 1 : rows.kvHeads),
    );
  }
  /** Does it to scores, in place. */
  function eachScore(name: keyof typeof how, scores: Scores, operands?: Operands): void {
    const { rows, unscored } = deviceScores(scores);
    each(name, rows, scores.address, { unscored, ...operands });
  }
  return { each, eachScore };
}
