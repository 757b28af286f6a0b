// k-means beside ml-kmeans: the same rows, seeds and number of steps.
import { createWasmBackend } from '../src/backend/wasm/backend.ts';
import { moveCentroids } from '../src/backend/cpu/kmeans.ts';
import { createRandom } from '../src/math/rng.ts';
import type { BenchGroup } from './case.ts';
import { mlKMeans } from './peers/kmeans.ts';

const [ROWS, WIDTH, COUNT, STEPS] = [10_000, 384, 16, 20];

/** Unit vectors around COUNT directions, as embeddings lie; `spread` of noise. */
function vectors(spread: number): Float32Array[] {
  const random = createRandom(7);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const centers = Array.from({ length: COUNT }, () => Float32Array.from({ length: WIDTH }, normal));
  return Array.from({ length: ROWS }, (_, i) => {
    const v = centers[i % COUNT].map((c) => c + spread * normal());
    const norm = Math.hypot(...v);
    return v.map((x) => x / norm);
  });
}

export const clusters: BenchGroup = {
  name: 'clusters',
  summary: `k-means, ${ROWS} x ${WIDTH}, k = ${COUNT}, up to ${STEPS} steps, one thread`,
  async run(report) {
    for (const [kind, spread] of [
      ['apart', 1],
      ['overlapping', 6],
    ] as const) {
      const rows = vectors(spread);
      const seeds = rows.slice(0, COUNT * 37).filter((__, i) => i % 37 === 0);
      const backend = createWasmBackend({ threads: 1 });
      const allocate = (count: number) => backend.arena.allocate(count * 4);
      const x = { address: allocate(ROWS * WIDTH), columns: WIDTH };
      const [centroids, sums] = [0, 1].map(() => ({
        address: allocate(COUNT * WIDTH),
        columns: WIDTH,
      }));
      const [labels, distances, bounds] = [0, 1, 2].map(() => allocate(ROWS));
      const [counts, moved] = [allocate(COUNT), allocate(COUNT)];
      backend.reserveScratch({
        tokens: 1,
        queryHeads: 1,
        kvHeads: 1,
        headDim: 1,
        width: WIDTH,
        clusters: COUNT,
      });
      rows.forEach((row, i) => backend.floats(x.address + i * WIDTH * 4, WIDTH).set(row));
      let steps = 0;
      const once = () => {
        seeds.forEach((seed, e) =>
          backend.floats(centroids.address + e * WIDTH * 4, WIDTH).set(seed),
        );
        let any = true;
        steps = 0;
        for (let step = 0; step < STEPS && any; step++) {
          steps++;
          backend.kmeansAssign(
            labels,
            distances,
            x,
            centroids,
            ROWS,
            COUNT,
            step === 0 ? { bounds } : { bounds, moved },
          );
          backend.kmeansSum(sums, counts, x, labels, ROWS, COUNT);
          const [means, totals] = [centroids, sums].map((t) =>
            backend.floats(t.address, COUNT * WIDTH),
          );
          const by = backend.floats(moved, COUNT);
          moveCentroids(means, totals, backend.ints(counts, COUNT), by);
          any = by.some((distance) => distance > 0);
        }
      };
      once();
      const times: number[] = [];
      let peer: Awaited<ReturnType<typeof mlKMeans>>;
      for (let round = 0; round < 3; round++) {
        const begin = performance.now();
        once();
        times.push(performance.now() - begin);
        const other = await mlKMeans(rows, seeds, STEPS);
        if (other && (!peer || other.ms < peer.ms)) peer = other;
      }
      const own = Math.min(...times);
      const same =
        peer &&
        backend.ints(labels, ROWS).reduce((sum, e, i) => sum + (e === peer.labels[i] ? 1 : 0), 0) /
          ROWS;
      report({
        name: `k-means, clusters ${kind}`,
        rate: own,
        unit: 'ms',
        peers: peer ? [{ name: 'ml-kmeans', rate: peer.ms }] : [],
        note: `${steps} steps${same === undefined ? '' : `, ${(100 * same).toFixed(1)}% of its labels are ours`}`,
      });
    }
  },
};
