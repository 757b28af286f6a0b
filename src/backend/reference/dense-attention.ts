// Causal attention within the sequences of a batch, and the way back through it.
import type { Tensor } from '../tensor.ts';
import type { DenseAttention, QueriesKeysValues, Training } from '../training.ts';
import { dot } from './math.ts';
import type { Memory } from './memory.ts';

export function denseAttentionOps({
  f32,
  row,
}: Memory): Pick<Training, 'denseAttention' | 'denseAttentionGradient'> {
  const headOf = (x: Tensor, t: number, h: number, d: number) =>
    row(x, t).subarray(h * d, (h + 1) * d);

  /** Calls `each` with every query, and its scores with the keys that it sees, first to last. */
  function scoreQueries(
    { q, k }: QueriesKeysValues,
    { queryHeads, kvHeads, headDim: d, window = Infinity, sequences }: DenseAttention,
    each: (t: number, hq: number, h: number, first: number, scores: number[]) => void,
  ): void {
    for (const { from, count } of sequences)
      for (let t = from; t < from + count; t++)
        for (let hq = 0; hq < queryHeads; hq++) {
          const h = Math.floor(hq / (queryHeads / kvHeads));
          const first = Math.max(from, t - window + 1);
          const query = headOf(q, t, hq, d);
          const scores = Array.from(
            { length: t - first + 1 },
            (_, i) => dot(query, headOf(k, first + i, h, d)) / Math.sqrt(d),
          );
          each(t, hq, h, first, scores);
        }
  }

  return {
    denseAttention(out, sums, of, how) {
      const d = how.headDim;
      scoreQueries(of, how, (t, hq, h, first, scores) => {
        const sum = logSumExp(scores);
        const weights = scores.map((s) => Math.exp(s - sum));
        row(sums, t)[hq] = sum;
        const values = scores.map((_, i) => headOf(of.v, first + i, h, d));
        const to = headOf(out, t, hq, d);
        for (let j = 0; j < d; j++) to[j] = weights.reduce((o, w, i) => o + w * values[i][j], 0);
      });
    },
    denseAttentionGradient(gradients, dout, out, sums, spare, of, how) {
      const d = how.headDim;
      const T = Math.max(0, ...how.sequences.map(({ from, count }) => from + count));
      const parts = ['q', 'k', 'v'] as const;
      // added up in f64
      const [dq, dk, dv] = parts.map((p) => new Float64Array(T * gradients[p].columns));
      const { q, k, v } = of;
      scoreQueries(of, how, (t, hq, h, first, scores) => {
        const back = headOf(dout, t, hq, d);
        const along = dot(back, headOf(out, t, hq, d));
        row(spare, t)[hq] = along;
        const query = headOf(q, t, hq, d);
        const ofQuery = t * q.columns + hq * d;
        scores.forEach((score, i) => {
          const weight = Math.exp(score - row(sums, t)[hq]);
          const [key, value] = [k, v].map((x) => headOf(x, first + i, h, d));
          const ofKey = (first + i) * k.columns + h * d;
          const dscore = (weight * (dot(back, value) - along)) / Math.sqrt(d);
          for (let j = 0; j < d; j++) {
            dq[ofQuery + j] += dscore * key[j];
            dk[ofKey + j] += dscore * query[j];
            dv[ofKey + j] += weight * back[j];
          }
        });
      });
      parts.forEach((p, i) => {
        const numbers = [dq, dk, dv][i];
        f32(gradients[p].address, numbers.length).set(numbers);
      });
    },
  };
}

function logSumExp(scores: readonly number[]): number {
  const peak = Math.max(...scores);
  return peak + Math.log(scores.reduce((sum, s) => sum + Math.exp(s - peak), 0));
}
