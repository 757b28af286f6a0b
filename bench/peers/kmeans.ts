// k-means of ml-kmeans.
import { loadPeer } from './load.ts';

interface MlKMeans {
  kmeans(
    data: readonly Float64Array[],
    count: number,
    options: {
      initialization: readonly (readonly number[])[];
      maxIterations: number;
      tolerance: number;
    },
  ): { clusters: number[] };
}

/** Clusters from given seeds, up to so many steps; undefined where it is not installed. */
export async function mlKMeans(
  rows: readonly Float32Array[],
  seeds: readonly Float32Array[],
  steps: number,
): Promise<{ ms: number; labels: number[] } | undefined> {
  const peer = await loadPeer<MlKMeans>('ml-kmeans');
  if (!peer) return undefined;
  const data = rows.map((row) => Float64Array.from(row));
  const begin = performance.now();
  const { clusters } = peer.kmeans(data, seeds.length, {
    initialization: seeds.map((s) => [...s]),
    maxIterations: steps,
    tolerance: 0,
  });
  return { ms: performance.now() - begin, labels: clusters };
}
