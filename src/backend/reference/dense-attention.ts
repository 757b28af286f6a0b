// Causal attention within the sequences of a batch, and the way back through it.
import type { Tensor } from '../tensor.ts';
import type { QueriesKeysValues } from '../tensor.ts';
import type { DenseAttention, Training } from '../training.ts';
import { dot } from './math.ts';
import type { Memory } from './memory.ts';

/** A query, and the tokens that it sees: `first` .. t. */
interface Query {
  readonly t: number;
  readonly head: number;
  readonly kvHead: number;
  readonly first: number;
}

function* queriesOf({
  queryHeads,
  kvHeads,
  window = Infinity,
  sequences,
}: DenseAttention): Generator<Query> {
  for (const { from, count } of sequences)
    for (let t = from; t < from + count; t++)
      for (let head = 0; head < queryHeads; head++) {
        const kvHead = Math.floor(head / (queryHeads / kvHeads));
        yield { t, head, kvHead, first: Math.max(from, t - window + 1) };
      }
}

export function denseAttentionOps(
  memory: Memory,
): Pick<Training, 'denseAttention' | 'denseAttentionGradient'> {
  const { row } = memory;
  const headOf = (x: Tensor, t: number, h: number, d: number) =>
    row(x, t).subarray(h * d, (h + 1) * d);

  /** Keys, or values, that a query sees, and its scores with the keys. */
  const seenBy = ({ t, kvHead, first }: Query, x: Tensor, d: number) =>
    Array.from({ length: t - first + 1 }, (_, i) => headOf(x, first + i, kvHead, d));
  const scoresOf = (query: Query, { q, k }: QueriesKeysValues, d: number) =>
    seenBy(query, k, d).map((key) => dot(headOf(q, query.t, query.head, d), key) / Math.sqrt(d));

  return {
    denseAttention(out, sums, of, how) {
      const d = how.headDim;
      for (const query of queriesOf(how)) {
        const { t, head } = query;
        const scores = scoresOf(query, of, d);
        const sum = logSumExp(scores);
        const weights = scores.map((s) => Math.exp(s - sum));
        const values = seenBy(query, of.v, d);
        const to = headOf(out, t, head, d);
        for (let j = 0; j < d; j++) to[j] = weights.reduce((o, w, i) => o + w * values[i][j], 0);
        row(sums, t)[head] = sum;
      }
    },
    denseAttentionGradient(gradients, dout, out, sums, spare, of, how) {
      const d = how.headDim;
      const T = Math.max(0, ...how.sequences.map(({ from, count }) => from + count));
      const [dq, dk, dv] = [gradients.q, gradients.k, gradients.v].map((to) => sumsFor(to, T, d));
      for (const query of queriesOf(how)) {
        const { t, head, kvHead, first } = query;
        const [back, own] = [dout, of.q].map((x) => headOf(x, t, head, d));
        const along = dot(back, headOf(out, t, head, d));
        row(spare, t)[head] = along;
        const [keys, values] = [of.k, of.v].map((x) => seenBy(query, x, d));
        for (const [i, score] of scoresOf(query, of, d).entries()) {
          const weight = Math.exp(score - row(sums, t)[head]);
          const slope = (weight * (dot(back, values[i]) - along)) / Math.sqrt(d);
          dq.add(t, head, slope, keys[i]);
          dk.add(first + i, kvHead, slope, own);
          dv.add(first + i, kvHead, weight, back);
        }
      }
      for (const sum of [dq, dk, dv]) sum.store(memory);
    },
  };
}

/** Numbers of T tokens that are added up in f64 before they are stored. */
function sumsFor({ address, columns }: Tensor, T: number, d: number) {
  const numbers = new Float64Array(T * columns);
  return {
    /** Adds `by` times some numbers to head h of token t. */
    add(t: number, h: number, by: number, what: ArrayLike<number>) {
      for (let j = 0; j < d; j++) numbers[t * columns + h * d + j] += by * what[j];
    },
    store: ({ f32 }: Memory) => f32(address, numbers.length).set(numbers),
  };
}

function logSumExp(scores: readonly number[]): number {
  const peak = Math.max(...scores);
  return peak + Math.log(scores.reduce((sum, s) => sum + Math.exp(s - peak), 0));
}
