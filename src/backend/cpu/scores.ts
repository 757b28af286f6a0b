// Operations on scores, one f32 a row of some heads, in a memory that this thread sees. What they
// mean, reference/scores.ts defines.
import type { Backend, Protection, TokenRate } from '../backend.ts';
import type { LayerRows } from '../cache.ts';
import type { Address, Scores, Tensor } from '../tensor.ts';
import { faultOf } from './fault.ts';
import { cpuRows, cpuScores, total, type Views } from './memory.ts';
import { floatsOf, perHead } from './score-views.ts';

/** Rating by tokens, and arithmetic. */
export function createScoreArithmetic(
  memory: Views,
): Pick<Backend, 'rateTokens' | 'negate' | 'multiply' | 'meanOverHeads' | 'fold'> {
  return {
    rateTokens(out: Address, rows: LayerRows, by: TokenRate): Scores {
      const rate = typeof by === 'function' ? by : (token: number) => token + by.plus;
      const { heads } = cpuRows(rows);
      const counts = heads.map((head) => head.length);
      const scores = { address: out, counts };
      const all = floatsOf(memory, scores);
      let at = 0;
      heads.forEach((head, h) => {
        const tokens = memory.ints(head.tokens, head.length);
        for (let i = 0; i < head.length; i++) all[at++] = rate(tokens[i], h);
      });
      return scores;
    },

    negate(scores) {
      const all = floatsOf(memory, scores);
      for (let i = 0; i < all.length; i++) all[i] = -all[i];
    },

    multiply(scores, by) {
      const s = floatsOf(memory, scores);
      const v = memory.floats(by.address, s.length);
      for (let i = 0; i < s.length; i++) s[i] *= v[i];
    },

    meanOverHeads(scores) {
      const { counts } = cpuScores(scores);
      const [n] = counts;
      if (counts.some((c) => c !== n)) return;
      const all = floatsOf(memory, scores);
      for (let i = 0; i < n; i++) {
        let sum = 0;
        for (let h = 0; h < counts.length; h++) sum += all[h * n + i];
        for (let h = 0; h < counts.length; h++) all[h * n + i] = sum / counts.length;
      }
    },

    fold(into, scores, by, how) {
      const own = floatsOf(memory, scores);
      const sums = memory.floats(into, own.length);
      for (let i = 0; i < own.length; i++) {
        const look = own[i] * by;
        sums[i] =
          how === 'first' ? look : how === 'mean' ? sums[i] + look : Math.max(sums[i], look);
      }
      return { ...scores, address: into };
    },
  };
}

/** What is kept whatever its score, and what scores are. */
export function createScoreChecks(
  memory: Views,
): Pick<Backend, 'protect' | 'join' | 'faultOf' | 'allFinite' | 'scoresFinite' | 'readScores'> {
  return {
    protect(to, rows, scores, { sinks, recent }: Protection) {
      const { heads } = cpuRows(rows);
      const address = typeof to === 'number' ? to : to.address + total(cpuScores(to)) * 4;
      const full = { address, counts: heads.map((head) => head.length) };
      const all = floatsOf(memory, full);
      let at = 0;
      perHead(memory, scores, (from, h) => {
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

    async readScores(scores) {
      const heads: Float32Array[] = [];
      perHead(memory, scores, (own) => heads.push(own.slice()));
      return heads;
    },
    faultOf: (scores, rows) => faultOf(memory, scores, rows),
    scoresFinite: (scores) => floatsOf(memory, scores).every(Number.isFinite),

    allFinite({ address, columns }: Tensor, n) {
      return memory.floats(address, n * columns).every(Number.isFinite);
    },
  };
}
