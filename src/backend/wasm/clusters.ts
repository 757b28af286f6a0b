// Steps of k-means.
import type { ClusterKernels } from '../cpu/memory.ts';
import { call, SCRATCH } from './call.ts';
import type { Context } from './context.ts';

export function clusterOps({ kernels, numbers, share, parts }: Context): ClusterKernels {
  return {
    kmeansAssign(labels, distances, x, centroids, n, E, known) {
      const d = x.columns;
      const work = n * E * d;
      const part = (i: number, count: number) =>
        call(
          numbers.kmeans_assign,
          labels + i * 4,
          distances + i * 4,
          x.address + i * d * 4,
          centroids.address,
          SCRATCH,
          count,
          E,
          d,
          known ? known.bounds + i * 4 : 0,
          known?.moved ?? 0,
        );
      share(parts(n, 1, work, part), work);
    },
    kmeansSum(sums, counts, x, labels, n, E) {
      kernels.kmeans_sum(sums.address, counts, x.address, labels, n, E, x.columns);
    },
  };
}
