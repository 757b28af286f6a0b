// Causal attention of a block, and the sums that it leaves for those who score rows.
import type { Backend } from '../backend.ts';
import { cpuRows } from '../cpu/memory.ts';
import { attend, dot } from './math.ts';
import type { Memory } from './memory.ts';

export function attentionOps({ f32, i32, row, rowsOf }: Memory): Pick<Backend, 'attention'> {
  return {
    attention(out, q, cached, T, looks, window) {
      const { heads, headDim: d, rowType: type } = cpuRows(cached);
      const group = q.columns / d / heads.length;
      heads.forEach((head, h) => {
        const [keys, values] = (['keys', 'values'] as const).map((of) =>
          rowsOf(head, of, head.length, d, type),
        );
        const tokens = i32(head.tokens, head.length);
        for (let t = 0; t < T; t++) {
          const own = head.length - T + t;
          const first = window ? tokens.findIndex((token) => token > tokens[own] - window) : 0;
          for (let hq = h * group; hq < (h + 1) * group; hq++) {
            const weights = attend(
              row(q, t).subarray(hq * d, (hq + 1) * d),
              keys.slice(first, own + 1),
              d,
            );
            for (let j = 0; j < d; j++)
              row(out, t)[hq * d + j] = weights.reduce(
                (sum, w, i) => sum + w * values[first + i][j],
                0,
              );
            if (!looks || head.length <= looks.unseen) continue;
            const scores = keys
              .slice(0, head.length - looks.unseen)
              .map((key) => dot(row(q, t).subarray(hq * d, (hq + 1) * d), key) / Math.sqrt(d));
            const at = looks.address + (h * 2 * T * group + t * group + (hq - h * group)) * 4;
            const peak = Math.max(...scores);
            f32(at, 1)[0] = peak;
            f32(at + T * group * 4, 1)[0] = scores.reduce((sum, s) => sum + Math.exp(s - peak), 0);
          }
        }
      });
    },
  };
}
