// Which scores are the best.
import type { RowKernels } from '../cpu/memory.ts';
import type { Context } from './context.ts';

export function selectOps({ kernels, scratch }: Context): Pick<RowKernels, 'topK'> {
  return {
    topK: (kept, scores, n, k) => kernels.top_k(kept, scores, scratch.own, n, k),
  };
}
