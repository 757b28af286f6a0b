// k-means: k-means++ seeding, Lloyd's steps, restarts, the best inertia (docs/algorithms.md,
// 'Segments and clusters'). Kernels compute distances and sums.
import { createRandom } from '../../math/rng.ts';
import type { ClusterOptions, Clusters } from '../clusters.ts';
import type { Address } from '../tensor.ts';
import type { CpuBackend, KnownDistances } from './memory.ts';

/** Lloyd's steps before a restart is taken as it is; it settles after some ten. */
const MAX_STEPS = 100;

/** Clusters [n, d] vectors, n and d > 0, into no more than there are distinct ones. */
export function kmeans(
  backend: CpuBackend,
  vectors: readonly Float32Array[],
  options: ClusterOptions,
): Clusters {
  const room = new Room(backend, vectors, options.count);
  let release = () => {};
  try {
    release = backend.reserveScratch({
      tokens: 1,
      queryHeads: 1,
      kvHeads: 1,
      headDim: 1,
      width: vectors[0].length,
      clusters: options.count,
    });
    const random = createRandom(options.seed);
    let best: Clusters | undefined;
    for (let restart = 0; restart < options.restarts; restart++) {
      room.seed(random);
      const found = room.settle();
      if (!best || found.inertia < best.inertia) best = found;
    }
    return best!;
  } finally {
    room.dispose();
    release();
  }
}

/** Where vectors, centroids and what is found of them lie. */
class Room {
  readonly #backend: CpuBackend;
  readonly #vectors: readonly Float32Array[];
  readonly #n: number;
  readonly #d: number;
  readonly #count: number;
  readonly #region: Address;
  readonly #at: Readonly<Record<Part, Address>>;

  /** One region, so that memory that ends leaves nothing reserved. Throws DeviceError. */
  constructor(backend: CpuBackend, vectors: readonly Float32Array[], E: number) {
    const [n, d] = [vectors.length, vectors[0].length];
    this.#backend = backend;
    this.#vectors = vectors;
    this.#n = n;
    this.#d = d;
    this.#count = E;
    const sizes: Record<Part, number> = {
      x: n * d,
      centroids: E * d,
      sums: E * d,
      labels: n,
      distances: n,
      counts: E,
      bounds: n,
      moved: E,
    };
    const line = (count: number) => Math.ceil((count * 4) / 64) * 64;
    this.#region = backend.arena.allocate(
      Object.values(sizes).reduce((sum, count) => sum + line(count), 0),
    );
    let end = this.#region;
    this.#at = Object.fromEntries(
      Object.entries(sizes).map(([name, count]) => {
        const address = end;
        end += line(count);
        return [name, address];
      }),
    ) as Record<Part, Address>;
    const all = backend.floats(this.#at.x, n * d);
    vectors.forEach((v, i) => all.set(v, i * d));
  }

  /**
   * k-means++: the next seed is drawn in proportion to the squared distance from the seeds before.
   */
  seed(random: () => number): void {
    const at = this.#at;
    const [n, d] = [this.#n, this.#d];
    this.#setCentroid(0, Math.floor(random() * n));
    for (let e = 1; e < this.#count; e++) {
      // only the newest seed can have come nearer
      const newest = { address: at.centroids + (e - 1) * d * 4, columns: d };
      this.#backend.kmeansAssign(at.labels, at.bounds, this.#x, newest, n, 1);
      const [nearest, far] = [this.#floats('distances', n), this.#floats('bounds', n)];
      for (let i = 0; i < n; i++) if (e === 1 || far[i] < nearest[i]) nearest[i] = far[i];
      this.#setCentroid(e, draw(nearest, random));
    }
  }

  /** Lloyd's steps, until no vector changes its cluster. */
  settle(): Clusters {
    const at = this.#at;
    const [n, d, E] = [this.#n, this.#d, this.#count];
    const [centroids, sums] = [at.centroids, at.sums].map((address) => ({ address, columns: d }));
    let before: Int32Array | undefined;
    let known: KnownDistances = { bounds: at.bounds };
    for (let step = 0; step < MAX_STEPS; step++) {
      this.#backend.kmeansAssign(at.labels, at.distances, this.#x, centroids, n, E, known);
      const labels = this.#ints('labels', n);
      const reseeded = reseedEmpty(labels, this.#floats('distances', n), E);
      if (before && labels.every((e, i) => e === before![i])) break;
      before = labels.slice();
      this.#backend.kmeansSum(sums, at.counts, this.#x, at.labels, n, E);
      moveCentroids(
        this.#floats('centroids', E * d),
        this.#floats('sums', E * d),
        this.#ints('counts', E),
        this.#floats('moved', E),
      );
      known = { bounds: at.bounds, moved: reseeded ? undefined : at.moved };
    }
    return this.#found();
  }

  dispose(): void {
    this.#backend.arena.free(this.#region);
  }

  get #x() {
    return { address: this.#at.x, columns: this.#d };
  }

  #floats(part: Part, count: number): Float32Array {
    return this.#backend.floats(this.#at[part], count);
  }

  #ints(part: Part, count: number): Int32Array {
    return this.#backend.ints(this.#at[part], count);
  }

  #setCentroid(e: number, vector: number): void {
    const d = this.#d;
    this.#backend.floats(this.#at.centroids + e * d * 4, d).set(this.#vectors[vector]);
  }

  #found(): Clusters {
    const d = this.#d;
    const labels = [...this.#ints('labels', this.#n)];
    const all = this.#floats('centroids', this.#count * d);
    const centroids = Array.from({ length: this.#count }, (_, e) => all.slice(e * d, (e + 1) * d));
    const inertia = labels.reduce(
      (sum, e, i) => sum + squaredDistance(this.#vectors[i], centroids[e]),
      0,
    );
    return { labels, centroids, inertia };
  }
}

type Part = 'x' | 'centroids' | 'sums' | 'labels' | 'distances' | 'counts' | 'bounds' | 'moved';

/** Makes centroids [E, d] the means of their members, and tells how far each has moved. */
export function moveCentroids(
  centroids: Float32Array,
  sums: Float32Array,
  counts: Int32Array,
  moved: Float32Array,
): void {
  const d = centroids.length / counts.length;
  counts.forEach((count, e) => {
    let squared = 0;
    for (let i = e * d; i < (e + 1) * d; i++) {
      const mean = Math.fround(sums[i] / count);
      squared += (mean - centroids[i]) ** 2;
      centroids[i] = mean;
    }
    moved[e] = Math.sqrt(squared);
  });
}

/**
 * A cluster without members takes the point that lies farthest from its centroid (of a cluster that
 * has others).
 */
function reseedEmpty(labels: Int32Array, distances: Float32Array, E: number): boolean {
  let any = false;
  const members = new Array<number>(E).fill(0);
  for (const e of labels) members[e]++;
  for (let e = 0; e < E; e++) {
    if (members[e] > 0) continue;
    let farthest = -1;
    for (let i = 0; i < labels.length; i++) {
      if (members[labels[i]] > 1 && (farthest < 0 || distances[i] > distances[farthest]))
        farthest = i;
    }
    members[labels[farthest]]--;
    labels[farthest] = e;
    distances[farthest] = 0;
    members[e] = 1;
    any = true;
  }
  return any;
}

/** An index drawn in proportion to its weight; the last with any where rounding overshoots. */
function draw(weights: Float32Array, random: () => number): number {
  let left = random() * weights.reduce((a, b) => a + b, 0);
  let last = 0;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] <= 0) continue;
    last = i;
    left -= weights[i];
    if (left < 0) return i;
  }
  return last;
}

function squaredDistance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return sum;
}
