// How far log-probabilities are from others: of the tokens that those list, at each position.
import type { TextLogits } from '../src/engine/logits.ts';

export function differences(
  found: TextLogits,
  expected: Pick<TextLogits, 'top'>,
): { mean: number; most: number } {
  let [sum, count, most] = [0, 0, 0];
  expected.top.forEach((step, i) => {
    const ours = new Map(found.top[i]);
    for (const [token, logProbability] of step) {
      const off = Math.abs(logProbability - (ours.get(token) ?? Number.NaN));
      sum += off;
      count++;
      most = Math.max(most, off);
    }
  });
  return { mean: sum / count, most };
}
