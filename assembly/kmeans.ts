// One step of Lloyd's algorithm on rows of f32.
import { dot } from './rows';
import { madd } from './simd';

/**
 * labels[i] = argmin_e |x[i] - c[e]|^2, the lower e on ties; distances[i] = that minimum (>= 0).
 * labels i32 [n] | distances f32 [n] | x f32 [n, d] | c f32 [E, d] | scratch f32 [E]; E > 0
 */
export function kmeans_assign(labels: usize, distances: usize, x: usize, c: usize, scratch: usize, n: i32, E: i32, d: i32): void {
  const bytes = (<usize>d) << 2;
  for (let e = 0; e < E; e++) {
    const center = c + <usize>e * bytes;
    store<f32>(scratch + ((<usize>e) << 2), dot(center, center, d));
  }
  for (let i = 0; i < n; i++, x += bytes) {
    let best: f32 = Infinity;
    let label = 0;
    for (let e = 0; e < E; e++) {
      const far = load<f32>(scratch + ((<usize>e) << 2)) - 2 * dot(x, c + <usize>e * bytes, d);
      if (far < best) {
        best = far;
        label = e;
      }
    }
    store<i32>(labels + ((<usize>i) << 2), label);
    store<f32>(distances + ((<usize>i) << 2), max<f32>(0, best + dot(x, x, d)));
  }
}

/**
 * sums[e] = sum of the x[i] with label e, counts[e] = how many there are.
 * sums f32 [E, d] | counts i32 [E] | x f32 [n, d] | labels i32 [n], each < E
 */
export function kmeans_sum(sums: usize, counts: usize, x: usize, labels: usize, n: i32, E: i32, d: i32): void {
  const bytes = (<usize>d) << 2;
  memory.fill(sums, 0, <usize>E * bytes);
  memory.fill(counts, 0, (<usize>E) << 2);
  for (let i = 0; i < n; i++, x += bytes) {
    const label = <usize>load<i32>(labels + ((<usize>i) << 2));
    store<i32>(counts + (label << 2), load<i32>(counts + (label << 2)) + 1);
    const to = sums + label * bytes;
    let j: usize = 0;
    for (; j + 16 <= bytes; j += 16) v128.store(to + j, madd(v128.load(to + j), v128.load(x + j), f32x4.splat(1)));
    for (; j < bytes; j += 4) store<f32>(to + j, load<f32>(to + j) + load<f32>(x + j));
  }
}
