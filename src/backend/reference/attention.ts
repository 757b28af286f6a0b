// Causal attention of a block, and the sums that it leaves for those who score rows.
import type { Backend } from '../backend.ts';
import { cpuRows } from '../cpu/memory.ts';
import { scoresOf, softmax } from './math.ts';
import type { Memory } from './memory.ts';

export function attentionOps({ f32, i32, row, rowsOf }: Memory): Pick<Backend, 'attention'> {
  return {
    attention(out, q, cached, T, { looks, window, cap, sinks } = {}) {
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
            const scores = scoresOf(row(q, t).subarray(hq * d, (hq + 1) * d), keys, d, cap);
            const weights = softmax(scores.slice(first, own + 1), sinks && row(sinks, 0)[hq]);
            for (let j = 0; j < d; j++)
              row(out, t)[hq * d + j] = weights.reduce(
                (sum, w, i) => sum + w * values[first + i][j],
                0,
              );
            if (!looks || head.length <= looks.unseen) continue;
            const seen = scores.slice(0, head.length - looks.unseen);
            const at = looks.address + (h * 2 * T * group + t * group + (hq - h * group)) * 4;
            const peak = Math.max(...seen);
            f32(at, 1)[0] = peak;
            f32(at + T * group * 4, 1)[0] = seen.reduce((sum, s) => sum + Math.exp(s - peak), 0);
          }
        }
      });
    },
  };
}
