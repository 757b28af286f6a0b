// Operations that raise or weigh scores by what their head has in all.
import type { Backend } from '../backend.ts';
import type { Address, Scores } from '../tensor.ts';
import { wordOffset as word } from './heap.ts';
import { floatWord } from './kernels.ts';
import type { Recorder } from './recorder.ts';
import { deviceScores, headWords } from './rows.ts';
import { PIECE_BYTES } from './scores.ts';
import type { Scratch } from './scratch.ts';

type WeighingOps = Pick<Backend, 'raiseToMean' | 'raiseMost'>;

/** Numbers that shaders/score-sums.wgsl knows its operations by. */
const how = { raiseToMean: 0, weigh: 1, facts: 2 } as const;

export function weighingOps(recorder: Recorder, scratch: Scratch): WeighingOps {
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
  };
}
