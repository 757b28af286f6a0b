// Steps of k-means.
import type { ClusterKernels } from '../cpu/memory.ts';
import type { Memory } from './memory.ts';

export function clusterOps({ f32, i32, row }: Memory): ClusterKernels {
  return {
    kmeansAssign(labels, distances, x, centroids, n, E, known) {
      for (let i = 0; i < n; i++) {
        let best = 0;
        const far = Array.from({ length: E }, (_, e) =>
          row(x, i).reduce((sum, v, j) => sum + (v - row(centroids, e)[j]) ** 2, 0),
        );
        for (let e = 1; e < E; e++) if (far[e] < far[best]) best = e;
        i32(labels, n)[i] = best;
        f32(distances, n)[i] = far[best];
        if (known)
          f32(known.bounds, n)[i] = Math.sqrt(Math.min(...far.filter((_, e) => e !== best)));
      }
    },
    kmeansSum(sums, counts, x, labels, n, E) {
      f32(sums.address, E * x.columns).fill(0);
      i32(counts, E).fill(0);
      for (let i = 0; i < n; i++) {
        const e = i32(labels, n)[i];
        i32(counts, E)[e]++;
        row(sums, e).forEach((_, j, to) => {
          to[j] += row(x, i)[j];
        });
      }
    },
  };
}
