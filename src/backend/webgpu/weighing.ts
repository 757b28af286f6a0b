// Operations that raise or weigh scores by what their head has in all.
import type { Backend } from '../backend.ts';
import type { Address, Scores, Weight } from '../tensor.ts';
import { rowConstants } from './append.ts';
import { wordOffset as word } from './heap.ts';
import { floatWord } from './kernels.ts';
import type { Recorder } from './recorder.ts';
import { type DeviceRows, type DeviceScores, deviceRows, deviceScores, headWords } from './rows.ts';
import { PIECE_BYTES } from './scores.ts';
import type { Scratch } from './scratch.ts';
import { weightConstants, type WeightPiece, type WeightStore } from './weights.ts';

type WeighingOps = Pick<Backend, 'raiseToMean' | 'raiseMost' | 'weighByValues'>;

/** Rows of a workgroup of value-norms.wgsl, and numbers that it has of them at most. */
const MOST_ROWS = 16;
const MOST_NUMBERS = 2048;

/** Numbers that shaders/score-sums.wgsl knows its operations by. */
const how = { raiseToMean: 0, weigh: 1, facts: 2, known: 3 } as const;

export function weighingOps(
  recorder: Recorder,
  scratch: Scratch,
  piecesOf: WeightStore['piecesOf'],
): WeighingOps {
  function sums(
    name: keyof typeof how,
    scores: Scores,
    { looks = 0, recent = 0, mass = 0, facts = 0 } = {},
  ): void {
    const { address, rows, unscored } = deviceScores(scores);
    recorder.dispatch(
      recorder.kernels.get('score-sums', 'ww'),
      [address, rows.part.notes],
      [
        ...headWords(rows, unscored),
        ...[how[name], word(address), word(looks), recent, floatWord(mass), word(facts)],
      ],
      name === 'facts' ? 1 : rows.kvHeads,
    );
  }

  return {
    raiseToMean: (scores) => sums('raiseToMean', scores),

    raiseMost(scores, mean, { mass, recent, rows: most }) {
      const { rows, unscored } = deviceScores(mean);
      const facts: Address = scratch.at(PIECE_BYTES);
      sums('facts', scores, { looks: mean.address, recent, mass, facts });
      recorder.dispatch(
        recorder.kernels.get('raise-most', 'ww'),
        [scores.address, rows.part.notes],
        [
          ...headWords(rows, unscored),
          ...[word(scores.address), word(mean.address), Math.max(0, most - recent), word(facts)],
        ],
        rows.kvHeads,
      );
    },

    weighByValues(scores, cached, output) {
      const rows = deviceRows(cached);
      const known = scratch.at(PIECE_BYTES);
      sums('known', { address: scores.address, rows, unscored: 0 } as DeviceScores, {
        facts: known,
      });
      for (const piece of piecesOf(output)) valueNorms(recorder, rows, known, output, piece);
      sums('weigh', scores);
    },
  };
}

/** States of rows by what a piece of the output projection makes of their values. */
function valueNorms(
  recorder: Recorder,
  rows: DeviceRows,
  known: Address,
  { type, columns }: Weight,
  { address, first, rows: weightRows, regions }: WeightPiece,
): void {
  const { part, kvHeads, headDim, most } = rows;
  const COUNT = Math.min(MOST_ROWS, Math.max(1, Math.floor(MOST_NUMBERS / headDim)));
  const tiles = Math.ceil(most / COUNT);
  recorder.dispatch(
    recorder.kernels.get('value-norms', 'wwrrr', {
      ...rowConstants(rows),
      ...weightConstants(type),
      COUNT,
    }),
    [known, part.notes, part.keys, part.values, address],
    [
      ...headWords(rows),
      ...[tiles, word(known), columns / headDim / kvHeads, weightRows, columns],
      ...[...regions, first > 0 ? 1 : 0],
    ],
    kvHeads * tiles,
  );
}
