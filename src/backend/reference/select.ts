// Which scores are the best.
import type { RowKernels } from '../cpu/memory.ts';
import type { Memory } from './memory.ts';

export function selectOps({ f32, i32 }: Memory): Pick<RowKernels, 'topK'> {
  return {
    topK(kept, scores, n, k) {
      const numbers = [...f32(scores, n)].map((s) =>
        Number.isNaN(s) ? Number.NEGATIVE_INFINITY : s,
      );
      const order = numbers.map((_, i) => i).sort((a, b) => numbers[b] - numbers[a] || a - b);
      const best = order.slice(0, Math.max(0, Math.min(k, n))).sort((a, b) => a - b);
      i32(kept, best.length).set(best);
      return best.length;
    },
  };
}
