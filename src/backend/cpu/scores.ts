// Operations on scores, one f32 a row of some heads, in a memory that this thread sees. What they
// mean, reference/scores.ts defines.
import type { Backend, MostLooked, Protection } from '../backend.ts';
import type { LayerRows } from '../cache.ts';
import type { Address, Scores, Tensor, Weight } from '../tensor.ts';
import { faultOf } from './fault.ts';
import {
  type CpuBackend,
  cpuRows,
  cpuScores,
  type RowKernels,
  total,
  type Views,
} from './memory.ts';

type ScoreOperations = Pick<
  Backend,
  | 'rateTokens'
  | 'negate'
  | 'multiply'
  | 'meanOverHeads'
  | 'raiseToMean'
  | 'raiseMost'
  | 'addToState'
  | 'weighByValues'
  | 'fold'
  | 'protect'
  | 'join'
  | 'keepAsState'
  | 'faultOf'
  | 'allFinite'
  | 'scoresFinite'
  | 'readScores'
>;

export function createScoreOperations(
  memory: Views & Pick<CpuBackend, 'copy'>,
  kernels: Pick<RowKernels, 'topK' | 'valueNorms'>,
): ScoreOperations {
  const floatsOf = (scores: Scores) => memory.floats(scores.address, total(cpuScores(scores)));

  /** Calls `each` with the scores of every head. */
  function perHead(
    scores: Scores,
    each: (own: Float32Array, h: number, at: Address) => void,
  ): void {
    let at = scores.address;
    cpuScores(scores).counts.forEach((n, h) => {
      each(memory.floats(at, n), h, at);
      at += n * 4;
    });
  }

  return {
    rateTokens(out: Address, rows: LayerRows, rate): Scores {
      const { heads } = cpuRows(rows);
      const counts = heads.map((head) => head.length);
      const scores = { address: out, counts };
      const all = floatsOf(scores);
      let at = 0;
      heads.forEach((head, h) => {
        const tokens = memory.ints(head.tokens, head.length);
        for (let i = 0; i < head.length; i++) all[at++] = rate(tokens[i], h);
      });
      return scores;
    },

    negate(scores) {
      const all = floatsOf(scores);
      for (let i = 0; i < all.length; i++) all[i] = -all[i];
    },

    multiply(scores, by) {
      const s = floatsOf(scores);
      const v = memory.floats(by.address, s.length);
      for (let i = 0; i < s.length; i++) s[i] *= v[i];
    },

    meanOverHeads(scores) {
      const { counts } = cpuScores(scores);
      const [n] = counts;
      if (counts.some((c) => c !== n)) return;
      const all = floatsOf(scores);
      for (let i = 0; i < n; i++) {
        let sum = 0;
        for (let h = 0; h < counts.length; h++) sum += all[h * n + i];
        for (let h = 0; h < counts.length; h++) all[h * n + i] = sum / counts.length;
      }
    },

    raiseToMean(scores) {
      perHead(scores, (s) => {
        let sum = 0;
        for (const x of s) sum += x;
        const mean = Math.fround(sum / s.length);
        for (let i = 0; i < s.length; i++) if (s[i] < mean) s[i] = mean;
      });
    },

    raiseMost(scores, mean, { mass, recent, rows }: MostLooked, spare) {
      const all = floatsOf(scores);
      const looks = floatsOf(mean);
      const { counts } = cpuScores(mean);
      let best = 0;
      for (const s of all) if (s > best) best = s;
      let [bias, at] = [0, 0];
      for (const n of counts) {
        for (let i = Math.max(0, n - recent); i < n; i++) bias += looks[at + i];
        at += n;
      }
      const wanted = mass - bias / counts.length;
      at = 0;
      for (const n of counts) {
        const most = Math.max(0, rows - recent);
        const count = kernels.topK(spare, mean.address + at * 4, n, most);
        const a = looks.subarray(at, at + n);
        let sum = 0;
        for (const x of a) sum += x;
        let reached = 0;
        const indices = memory.ints(spare, count).slice();
        for (const i of indices.sort((x, y) => a[y] - a[x] || x - y)) {
          if (reached >= wanted || sum === 0) break;
          reached += a[i] / sum;
          all[at + i] = best;
        }
        at += n;
      }
    },

    addToState(scores, rows, weight, tokens) {
      const { heads } = cpuRows(rows);
      perHead(scores, (received, h) => {
        const { state, tokens: numbers, length } = heads[h];
        const sums = memory.floats(state, length);
        const token = memory.ints(numbers, length);
        for (let i = 0; i < length; i++) {
          sums[i] += received[i] * weight;
          received[i] = sums[i] / (tokens - token[i]);
        }
      });
    },

    weighByValues(scores, rows, output: Weight, spare) {
      const { heads } = cpuRows(rows);
      const from = heads.map(({ state, length }) => {
        const known = memory.floats(state, length);
        let count = length;
        while (count > 0 && known[count - 1] === 0) count--;
        return count;
      });
      const norms = kernels.valueNorms(spare, rows, from, output);
      perHead(norms, (added, h) => {
        memory.floats(heads[h].state + from[h] * 4, added.length).set(added);
      });
      perHead(scores, (s, h) => {
        const v = memory.floats(heads[h].state, s.length);
        let sum = 0;
        for (const x of v) sum += x;
        if (sum > 0) for (let i = 0; i < s.length; i++) s[i] *= v[i] / sum;
      });
    },

    fold(into, scores, by, how) {
      const own = floatsOf(scores);
      const sums = memory.floats(into, own.length);
      for (let i = 0; i < own.length; i++) {
        const look = own[i] * by;
        sums[i] =
          how === 'first' ? look : how === 'mean' ? sums[i] + look : Math.max(sums[i], look);
      }
      return { ...scores, address: into };
    },

    protect(to, rows, scores, { sinks, recent }: Protection) {
      const { heads } = cpuRows(rows);
      const address = typeof to === 'number' ? to : to.address + total(cpuScores(to)) * 4;
      const full = { address, counts: heads.map((head) => head.length) };
      const all = floatsOf(full);
      let at = 0;
      perHead(scores, (from, h) => {
        const { tokens: numbers, length } = heads[h];
        const tokens = memory.ints(numbers, length);
        const rated = Math.min(from.length, length - Math.min(recent, length));
        for (let i = 0; i < length; i++)
          all[at + i] = i < rated && tokens[i] >= sinks ? from[i] : Number.POSITIVE_INFINITY;
        at += length;
      });
      return full;
    },

    join(first, second) {
      const counts = [...cpuScores(first).counts, ...cpuScores(second).counts];
      return { address: first.address, counts } as Scores;
    },

    keepAsState(rows, scores) {
      const { heads } = cpuRows(rows);
      perHead(scores, (own, h, at) => memory.copy(heads[h].state, at, own.length * 4));
    },

    async readScores(scores) {
      const heads: Float32Array[] = [];
      perHead(scores, (own) => heads.push(own.slice()));
      return heads;
    },
    faultOf: (scores, rows) => faultOf(memory, scores, rows),
    scoresFinite: (scores) => floatsOf(scores).every(Number.isFinite),

    allFinite({ address, columns }: Tensor, n) {
      return memory.floats(address, n * columns).every(Number.isFinite);
    },
  };
}
