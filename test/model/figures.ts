// Figures of another program: tokens of a text, and the most probable tokens behind each.
import type { RowType } from '../../src/backend/dtype.ts';
import { everything } from '../../src/engine/everything.ts';
import type { TextLogits } from '../../src/engine/logits.ts';
import type { Model } from '../../src/engine/model.ts';
import { planRun } from '../../src/engine/plan.ts';
import { blocksOf } from '../../src/engine/prefill.ts';
import { Run } from '../../src/engine/run.ts';
import { readJson } from '../fixtures.ts';

export const figuresOf = (path: string): TextLogits => readJson<TextLogits>(path);

/** log softmax of log-odds. */
export function logProbabilities(logits: Float32Array): Float64Array {
  let peak = Number.NEGATIVE_INFINITY;
  for (const x of logits) peak = Math.max(peak, x);
  let sum = 0;
  for (const x of logits) sum += Math.exp(x - peak);
  const norm = peak + Math.log(sum);
  return Float64Array.from(logits, (x) => x - norm);
}

/** How far a model's log-probabilities are from those that are listed, blocks of so many tokens. */
export async function differenceOf(
  model: Model,
  tokens: readonly number[],
  top: TextLogits['top'],
  blockSize: number,
  rowType: RowType = 'f32',
): Promise<{ most: number; mean: number }> {
  const options = { ...everything, rowType, blockSize };
  const plan = planRun(model.executor, { ...options, budget: { tokens: tokens.length } });
  const run = new Run(model.executor, plan);
  let [most, sum, count] = [0, 0, 0];
  try {
    let at = 0;
    for (const block of blocksOf(tokens, blockSize)) {
      await run.append(block);
      for (let t = 0; t < block.length; t++, at++) {
        const found = logProbabilities(await run.logits(t));
        for (const [token, expected] of top[at]) {
          const off = Math.abs(found[token] - expected);
          most = Math.max(most, Number.isNaN(off) ? Number.POSITIVE_INFINITY : off);
          sum += off;
          count++;
        }
      }
    }
    return { most, mean: sum / count };
  } finally {
    run.dispose();
  }
}
