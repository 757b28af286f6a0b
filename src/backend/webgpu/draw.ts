// Tokens drawn where their log-odds are: nothing of a vocabulary's size is read back.
import type { Backend } from '../backend.ts';
import { wordOffset as word } from './heap.ts';
import { floatWord } from './kernels.ts';
import type { Recorder } from './recorder.ts';

/** Lowest temperature to compute with: f32 has log-odds that differ by so little only near 0. */
const COLDEST = 1e-30;

export const drawOps = (recorder: Recorder): Required<Pick<Backend, 'draw'>> => ({
  draw(to, logits, { temperature, topK, topP, minP }, random) {
    recorder.dispatch(
      recorder.kernels.get('draw', 'w'),
      [to],
      [
        word(to),
        word(logits.address),
        logits.columns,
        Math.min(topK, logits.columns),
        floatWord(topP),
        floatWord(minP),
        floatWord(temperature === 0 ? 0 : Math.max(temperature, COLDEST)),
        floatWord(random),
      ],
      1,
    );
  },
});
