// One step of Lloyd's algorithm on rows of f32. Rows meet all centroids as a matrix product, four
// at a time; rows whose centroid cannot have been overtaken since the last step are left alone
// (Hamerly's bound: how far the second nearest was, less what centroids have moved).
import { packKeys } from './attention';
import { tilePanels } from './gemm/tile';
import { dot } from './row-norms';
import { madd, sumLanes } from './simd';

/** Rows that meet the centroids together. */
const ROWS: i32 = 4;

/** Bytes of scratch for kmeans_assign(). */
export function kmeans_scratch(E: i32, d: i32): i32 {
  const E8 = (E + 7) & ~7;
  return (E8 * d + E8 + ROWS * E8 + ROWS * d + ROWS) * 4;
}

/** |x - y|^2 of d numbers. */
function squaredDistance(x: usize, y: usize, d: i32): f32 {
  let a = f32x4.splat(0);
  let b = a;
  let j: usize = 0;
  const end = (<usize>d) << 2;
  for (; j + 32 <= end; j += 32) {
    const u = f32x4.sub(v128.load(x + j), v128.load(y + j));
    const v = f32x4.sub(v128.load(x + j, 16), v128.load(y + j, 16));
    a = madd(a, u, u);
    b = madd(b, v, v);
  }
  let sum = sumLanes(f32x4.add(a, b));
  for (; j < end; j += 4) {
    const u = load<f32>(x + j) - load<f32>(y + j);
    sum += u * u;
  }
  return sum;
}

/**
 * labels[i] = argmin_e |x[i] - c[e]|^2, the lower e on ties; distances[i] = that minimum.
 * labels i32 [n] | distances f32 [n] | x f32 [n, d] | c f32 [E, d] | scratch kmeans_scratch(); E >
 * 0 bounds: 0, or f32 [n], where the distance to the second nearest is left moved: 0, or f32 [E],
 * how far each centroid is from where it was when labels and bounds were left: only what may have
 * changed is looked at again
 */
export function kmeans_assign(
  labels: usize,
  distances: usize,
  x: usize,
  c: usize,
  scratch: usize,
  n: i32,
  E: i32,
  d: i32,
  bounds: usize,
  moved: usize,
): void {
  const bytes = (<usize>d) << 2;
  const E8 = (E + 7) & ~7;
  const norms = scratch + <usize>E8 * bytes;
  const products = norms + ((<usize>E8) << 2);
  const rows = products + ((<usize>(ROWS * E8)) << 2);
  const waiting = rows + <usize>ROWS * bytes; // numbers of the rows that are to meet the centroids
  packKeys(scratch, c, E, d);
  for (let e = 0; e < E; e++) {
    const center = c + <usize>e * bytes;
    store<f32>(norms + ((<usize>e) << 2), dot(center, center, d));
  }
  let furthest = -1;
  let largest: f32 = 0;
  let second: f32 = 0;
  if (moved != 0) {
    for (let e = 0; e < E; e++) {
      const by = load<f32>(moved + ((<usize>e) << 2));
      if (by > largest) {
        second = largest;
        largest = by;
        furthest = e;
      } else if (by > second) second = by;
    }
  }
  let count = 0;
  for (let i = 0; i < n; i++) {
    const at = (<usize>i) << 2;
    if (moved != 0) {
      const label = load<i32>(labels + at);
      const bound = load<f32>(bounds + at) - (label == furthest ? second : largest);
      const own = squaredDistance(x + <usize>i * bytes, c + <usize>label * bytes, d);
      if (bound > 0 && own < bound * bound) {
        store<f32>(distances + at, own);
        store<f32>(bounds + at, bound);
        continue;
      }
    }
    memory.copy(rows + <usize>count * bytes, x + <usize>i * bytes, bytes);
    store<i32>(waiting + ((<usize>count) << 2), i);
    if (++count < ROWS) continue;
    meet(labels, distances, bounds, rows, waiting, c, scratch, norms, products, count, E, d);
    count = 0;
  }
  meet(labels, distances, bounds, rows, waiting, c, scratch, norms, products, count, E, d);
}

/** Assigns `count` rows by their products with all centroids. */
function meet(
  labels: usize,
  distances: usize,
  bounds: usize,
  rows: usize,
  waiting: usize,
  c: usize,
  panels: usize,
  norms: usize,
  products: usize,
  count: i32,
  E: i32,
  d: i32,
): void {
  const E8 = (E + 7) & ~7;
  const bytes = (<usize>d) << 2;
  tilePanels(products, rows, panels, count, E8 >> 3, bytes << 3, d, E8, d, 8, false);
  for (let r = 0; r < count; r++) {
    const p = products + ((<usize>(r * E8)) << 2);
    let best: f32 = Infinity;
    let next: f32 = Infinity;
    let label = 0;
    for (let e = 0; e < E; e++) {
      const far = load<f32>(norms + ((<usize>e) << 2)) - 2 * load<f32>(p + ((<usize>e) << 2));
      if (far < best) {
        next = best;
        best = far;
        label = e;
      } else if (far < next) next = far;
    }
    const at = (<usize>load<i32>(waiting + ((<usize>r) << 2))) << 2;
    const own = squaredDistance(rows + <usize>r * bytes, c + <usize>label * bytes, d);
    store<i32>(labels + at, label);
    store<f32>(distances + at, own);
    if (bounds != 0) store<f32>(bounds + at, sqrt<f32>(max<f32>(0, next - best + own)));
  }
}

/**
 * sums[e] = sum of the x[i] with label e, counts[e] = how many there are.
 * sums f32 [E, d] | counts i32 [E] | x f32 [n, d] | labels i32 [n], each < E
 */
export function kmeans_sum(
  sums: usize,
  counts: usize,
  x: usize,
  labels: usize,
  n: i32,
  E: i32,
  d: i32,
): void {
  const bytes = (<usize>d) << 2;
  memory.fill(sums, 0, <usize>E * bytes);
  memory.fill(counts, 0, (<usize>E) << 2);
  for (let i = 0; i < n; i++, x += bytes) {
    const label = <usize>load<i32>(labels + ((<usize>i) << 2));
    store<i32>(counts + (label << 2), load<i32>(counts + (label << 2)) + 1);
    const to = sums + label * bytes;
    let j: usize = 0;
    for (; j + 16 <= bytes; j += 16)
      v128.store(to + j, madd(v128.load(to + j), v128.load(x + j), f32x4.splat(1)));
    for (; j < bytes; j += 4) store<f32>(to + j, load<f32>(to + j) + load<f32>(x + j));
  }
}
