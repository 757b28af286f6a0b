// What rows are worth by themselves: norms, directions, expected attention; and smoothing.
import { ABS_ROWS } from '../../../build/generated/kernels.ts';
import { cpuRows, type CpuScores, cpuScores, scoresFrom } from '../cpu/memory.ts';
import { rowBytes, rowCode } from '../dtype.ts';
import type { ScoringOps } from '../cpu/operations.ts';
import { type Context, scoreHeads } from './context.ts';

export function scoringOps(context: Context): ScoringOps {
  const { kernels, scratch } = context;
  return {
    ...valueOps(context),
    expectedAttention(out, spare, rows, queries, count) {
      const { heads, headDim: d, rowType: type } = cpuRows(rows);
      const group = queries.columns / d / heads.length;
      return scoreHeads(out, heads, 0, (head, to, n, h) => {
        const drawn = queries.address + h * group * d * 4;
        kernels.expect(
          to,
          spare,
          drawn,
          head.keys,
          head.rest,
          scratch.own,
          count,
          group,
          n,
          d,
          queries.columns,
          rowCode(type),
        );
      });
    },
    rowNorms(out, rows, of) {
      const { heads, headDim: d, rowType: type } = cpuRows(rows);
      return scoreHeads(out, heads, 0, (head, to, n) =>
        kernels.row_norms(to, head[of], head.rest, scratch.own, n, d, rowCode(type, of)),
      );
    },
    keyCosines(out, rows) {
      const { heads, headDim: d, rowType: type } = cpuRows(rows);
      return scoreHeads(out, heads, 0, (head, to, n) => {
        const direction = scratch.own;
        const own = direction + d * 4;
        const { keys, rest } = head;
        kernels.mean_direction(direction, keys, rest, own, n, d, rowCode(type));
        kernels.row_cosines(to, keys, direction, rest, own, n, d, rowCode(type));
      });
    },
    averagePool(out, scores, size) {
      const { counts } = cpuScores(scores);
      let offset = 0;
      for (const n of counts) {
        kernels.average_pool(out + offset, scores.address + offset, n, size);
        offset += n * 4;
      }
      return { address: out, counts } as CpuScores;
    },
  };
}

function valueOps({ kernels, memory, scratch }: Context): Pick<ScoringOps, 'valueNorms'> {
  return {
    valueNorms(out, cached, from, wo) {
      const { heads, headDim: d, rowType: type } = cpuRows(cached);
      const group = wo.columns / d / heads.length;
      const rows = scratch.own + kernels.abs_sums_scratch();
      const bytes = rowBytes(type, d, 'values');
      return scoresFrom(out, heads, from, (head, to, count, h) => {
        const norms = new Float32Array(memory.buffer, to, count).fill(0);
        for (let i = 0; i < count; i += ABS_ROWS) {
          const n = Math.min(ABS_ROWS, count - i);
          const values = head.values + (from[h] + i) * bytes;
          kernels.rows_widen(rows, values, head.rest, n, d, rowCode(type, 'values'));
          for (let g = 0; g < group; g++)
            kernels.abs_sums(
              to + i * 4,
              rows,
              wo.address,
              scratch.own,
              n,
              wo.rows,
              wo.columns,
              (h * group + g) * d,
              d,
              wo.type.number,
            );
        }
        for (let i = 0; i < count; i++) norms[i] /= group;
      });
    },
  };
}
