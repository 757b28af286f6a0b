// What training ends with: the loss and its gradient, and a step of the optimiser.
import type { Training } from '../training.ts';
import { dot } from './math.ts';
import type { Memory } from './memory.ts';

export function lossOps({
  f32,
  i32,
  row,
}: Memory): Pick<Training, 'crossEntropy' | 'adamW' | 'sumOfSquares' | 'clear'> {
  return {
    crossEntropy(losses, logits, targets, n, scale) {
      for (let i = 0; i < n; i++) {
        const target = i32(targets, n)[i];
        const odds = row(logits, i);
        const peak = odds.reduce((a, b) => Math.max(a, b), -Infinity);
        const sum = odds.reduce((mass, x) => mass + Math.exp(x - peak), 0);
        f32(losses, n)[i] = Math.log(sum) - (odds[target] - peak);
        odds.forEach((x, j) => {
          odds[j] = scale * (Math.exp(x - peak) / sum - (j === target ? 1 : 0));
        });
      }
    },
    adamW(w, g, m, v, count, how) {
      const { rate, beta1, beta2, epsilon, decay, step, gradientScale } = how;
      const [weights, gradients, means, squares] = [w, g, m, v].map((at) => f32(at, count));
      for (let i = 0; i < count; i++) {
        const gradient = gradients[i] * gradientScale;
        const mean = beta1 * means[i] + (1 - beta1) * gradient;
        const square = beta2 * squares[i] + (1 - beta2) * gradient ** 2;
        const root = Math.sqrt(square / (1 - beta2 ** step));
        const towards = mean / (1 - beta1 ** step) / (root + epsilon);
        weights[i] -= rate * (towards + decay * weights[i]);
        means[i] = mean;
        squares[i] = square;
        gradients[i] = 0;
      }
    },
    sumOfSquares: async (address, count) => dot(f32(address, count), f32(address, count)),
    clear: (address, count) => void f32(address, count).fill(0),
  };
}
