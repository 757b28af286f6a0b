// What training ends with: the loss and its gradient, and a step of the optimiser.
import type { Training } from '../training.ts';
import { call } from './call.ts';
import { type Context, ELEMENT_WORK, shareRows } from './context.ts';

/**
 * Parts whose squares are added up apart: the same whoever does the work, so that the sum is.
 */
export const SQUARE_PARTS = 64;
/** Numbers of a step that are not worth cutting. */
const STEP_UNIT = 1024;

export function lossOps(
  context: Context,
): Pick<Training, 'crossEntropy' | 'adamW' | 'sumOfSquares' | 'clear'> {
  const { memory, numbers, share, parts, scratch } = context;
  return {
    crossEntropy(losses, { address, columns: V }, targets, n, scale) {
      shareRows(context, n, V, (i, count) => {
        const row = address + i * V * 4;
        return call(numbers.cross_entropy, losses + i * 4, row, targets + i * 4, count, V, scale);
      });
    },
    adamW(w, g, m, v, count, how) {
      const { rate, beta1, beta2, epsilon, decay, step, gradientScale } = how;
      const part = (i: number, n: number) =>
        call(
          numbers.adamw,
          w + i * 4,
          g + i * 4,
          m + i * 4,
          v + i * 4,
          n,
          rate,
          beta1,
          1 - beta1,
          1 / (1 - beta1 ** step),
          beta2,
          1 - beta2,
          1 / (1 - beta2 ** step),
          epsilon,
          decay,
          gradientScale,
        );
      const work = count * ELEMENT_WORK;
      share(parts(count, STEP_UNIT, work, part), work);
    },
    async sumOfSquares(address, count) {
      const length = Math.ceil(count / SQUARE_PARTS / 4) * 4;
      const { common } = scratch;
      const calls = Array.from({ length: Math.ceil(count / length) || 0 }, (_, i) => {
        const n = Math.min(length, count - i * length);
        return call(numbers.sum_squares, common + i * 8, address + i * length * 4, n);
      });
      share(calls, count);
      return new Float64Array(memory.buffer, common, calls.length).reduce((a, b) => a + b, 0);
    },
    clear: (address, count) => void new Float32Array(memory.buffer, address, count).fill(0),
  };
}
