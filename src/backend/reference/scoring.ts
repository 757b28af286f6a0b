// What rows are worth by themselves: norms, directions, expected attention; and smoothing.
import { cpuRows, type CpuScores, cpuScores, scoresFrom } from '../cpu/memory.ts';
import type { ScoringOps } from '../cpu/operations.ts';
import { dot, norm } from './math.ts';
import type { Memory } from './memory.ts';

export const scoringOps = (of: Memory): ScoringOps => ({
  ...valueOps(of),
  ...expectedOps(of),
  ...rowScoreOps(of),
});

function valueOps({ f32, row, readRow }: Memory): Pick<ScoringOps, 'valueNorms'> {
  return {
    valueNorms(out, cached, from, wo) {
      const { heads, headDim: d, rowType: type } = cpuRows(cached);
      const group = wo.columns / d / heads.length;
      return scoresFrom(out, heads, from, (head, to, count, h) => {
        for (let i = 0; i < count; i++) {
          const value = readRow(head.values, from[h] + i, d, type, 'values', head.rest);
          let sum = 0;
          for (let g = 0; g < group; g++) {
            for (let m = 0; m < wo.rows; m++) {
              let y = 0;
              for (let j = 0; j < d; j++) y += value[j] * row(wo, m)[(h * group + g) * d + j];
              sum += Math.abs(y);
            }
          }
          f32(to, count)[i] = sum / group;
        }
      });
    },
  };
}

function expectedOps({ row, readRow, perHead }: Memory): Pick<ScoringOps, 'expectedAttention'> {
  return {
    expectedAttention(out, _, cached, queries, count) {
      const { heads, headDim: d, rowType: type } = cpuRows(cached);
      const group = queries.columns / d / heads.length;
      return perHead(out, heads, 0, (head, h, n) => {
        const sums = new Array<number>(n).fill(0);
        for (let g = 0; g < group; g++) {
          const drawn = Array.from({ length: count }, (__, p) =>
            Array.from(
              { length: d },
              (___, j) => row(queries, p)[(h * group + g) * d + j] / Math.sqrt(d),
            ),
          );
          const mean = Array.from(
            { length: d },
            (__, j) => drawn.reduce((sum, q) => sum + q[j], 0) / count,
          );
          const expected = Array.from({ length: n }, (__, i) => {
            const key = readRow(head.keys, i, d, type, 'keys', head.rest);
            // k C k = the variance of q . k
            const variance =
              drawn.reduce(
                (sum, q) => sum + q.reduce((s, x, j) => s + (x - mean[j]) * key[j], 0) ** 2,
                0,
              ) / count;
            return dot(mean, key) + variance / 2;
          });
          const peak = Math.max(...expected);
          const mass = expected.reduce((sum, s) => sum + Math.exp(s - peak), 0);
          expected.forEach((s, i) => {
            sums[i] += Math.exp(s - peak) / mass / group;
          });
        }
        return sums;
      });
    },
  };
}

function rowScoreOps({
  f32,
  rowsOf,
  perHead,
}: Memory): Omit<ScoringOps, 'valueNorms' | 'expectedAttention'> {
  return {
    rowNorms(out, cached, of) {
      const { heads, headDim: d, rowType: type } = cpuRows(cached);
      return perHead(out, heads, 0, (head, _, n) => rowsOf(head, of, n, d, type).map(norm));
    },
    keyCosines(out, cached) {
      const { heads, headDim: d, rowType: type } = cpuRows(cached);
      return perHead(out, heads, 0, (head, _, n) => {
        const keys = rowsOf(head, 'keys', n, d, type);
        const direction = Array.from(
          { length: d },
          (__, j) => keys.reduce((sum, k) => sum + (norm(k) > 0 ? k[j] / norm(k) : 0), 0) / n,
        );
        return keys.map((k) =>
          norm(k) * norm(direction) > 0 ? dot(k, direction) / (norm(k) * norm(direction)) : 0,
        );
      });
    },
    averagePool(out, scores, size) {
      const { counts } = cpuScores(scores);
      let at = 0;
      const half = size >> 1;
      for (const n of counts) {
        const from = f32(scores.address + at * 4, n);
        f32(out + at * 4, n).set(
          Array.from(
            { length: n },
            (_, i) =>
              from.subarray(Math.max(0, i - half), i + half + 1).reduce((a, b) => a + b, 0) / size,
          ),
        );
        at += n;
      }
      return { address: out, counts } as CpuScores;
    },
  };
}
