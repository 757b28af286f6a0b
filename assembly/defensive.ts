// Defensive aggregation (docs/algorithms.md, 'Defensive aggregation'): what observers look at,
// smoothed over neighbouring rows with each look's mass kept, and the worst case over looks. Looks
// are made a tile at a time, overlapping by the width of the smoothing; [G * P, n] never exists.
import { behindRows, packRows, tileScores } from './attention';
import { cap1, exp1, expRow } from './math';
import { gatherQueries } from './queries';
import { dot } from './row-norms';
import { loadRows, rowBytes, TILE } from './rows/table';
import { maskedMax, massOf } from './softmax';

/** Bytes of scratch for observe_defensive() with P queries of G heads. */
export function defensive_scratch(P: i32, G: i32, d: i32): i32 {
  const R = P * G;
  return (R * d + 3 * R + TILE * d * 2 + 4 * TILE + d) * 4;
}

/** Rows that query row r of P * G sees: all, or, causal, those up to its own. */
@inline
function seenBy(r: i32, P: i32, G: i32, n: i32, causal: i32): i32 {
  return causal ? n - P + r / G + 1 : n;
}

/**
 * out[i] = max over g, p of A'_g[p, i] for the first `scored` of n rows, where A = softmax over the
 * rows that the query sees, and A' = A averaged over `size` neighbouring scored rows (zeros
 * beyond), each look rescaled to its old sum over the scored rows. out f32 [scored] | q f32 [P, G,
 * d] ldq | k rows [n, d] | rest of loadRows | scratch defensive_scratch(); size odd, 1 to 31;
 * causal: n >= P; looks: 0, or what attention() left of the same queries on the same n rows; then
 * not causal, and scored = n | cap, sinks of attention()
 */
export function observe_defensive(
  out: usize,
  q: usize,
  k: usize,
  rest: usize,
  scratch: usize,
  P: i32,
  G: i32,
  n: i32,
  scored: i32,
  d: i32,
  ldq: i32,
  causal: i32,
  size: i32,
  type: i32,
  looks: usize,
  cap: f32,
  sinks: usize,
): void {
  const R = P * G;
  const half = size >> 1;
  const queries = scratch;
  const own = queries + ((<usize>(R * d)) << 2);
  const peaks = looks != 0 ? looks : own;
  const masses = peaks + ((<usize>R) << 2);
  const scales = own + ((<usize>(2 * R)) << 2);
  const panels = scales + ((<usize>R) << 2);
  const s = behindRows(panels, d);
  const edge = s + ((<usize>(4 * TILE)) << 2);

  memory.fill(out, 0, (<usize>scored) << 2);
  gatherQueries(queries, q, P, G, d, ldq, type);
  if (looks != 0) memory.copy(scales, masses, (<usize>R) << 2);
  else {
    memory.fill(masses, 0, (<usize>(2 * R)) << 2);
    for (let r = 0; r < R; r++) store<f32>(peaks + ((<usize>r) << 2), -Infinity);
  }

  // each look's peak, its mass over all rows, and (in `scales`) over the scored ones
  for (let i0 = looks != 0 ? n : 0; i0 < n; i0 += TILE) {
    const keys = min(TILE, n - i0);
    packRows(panels, k, i0, keys, d, rest, type);
    for (let r = 0; r < R; r += 4) {
      const rows = min(4, R - r);
      tileScores(s, queries + ((<usize>(r * d)) << 2), panels, rows, keys, d, cap);
      for (let i = 0; i < rows; i++) {
        const row = s + ((<usize>(i * TILE)) << 2);
        const visible = min(keys, seenBy(r + i, P, G, n, causal) - i0);
        if (visible <= 0) continue;
        const at = (<usize>(r + i)) << 2;
        const before = load<f32>(peaks + at);
        const peak = max(before, maskedMax(row, visible, keys));
        const mass = expRow(row, keys, peak);
        let inside = mass;
        if (i0 + visible > scored) {
          inside = 0;
          for (let j = 0; j < scored - i0; j++) inside += load<f32>(row + ((<usize>j) << 2));
        }
        const decay = exp1(before - peak);
        store<f32>(peaks + at, peak);
        store<f32>(masses + at, load<f32>(masses + at) * decay + mass);
        store<f32>(scales + at, load<f32>(scales + at) * decay + inside);
      }
    }
  }

  // averaging loses what falls beyond the ends: row i stands in `windows` of `size` averages
  for (let r = 0; r < R; r++) {
    const at = (<usize>r) << 2;
    const inside = load<f32>(scales + at);
    let smoothed = inside;
    for (let i = 0; i < scored; i = i + 1 == half && half < scored - half ? scored - half : i + 1) {
      const windows = min(i + half, scored - 1) - max(i - half, 0) + 1;
      if (windows == size || i >= seenBy(r, P, G, n, causal)) continue;
      loadRows(edge, k + <usize>i * rowBytes(d, type), rest, 1, d, d, type);
      const score = cap1(dot(queries + ((<usize>(r * d)) << 2), edge, d), cap);
      const p = exp1(score - load<f32>(peaks + at));
      smoothed -= (p * <f32>(size - windows)) / <f32>size;
    }
    // p / mass is the look, / size the average, inside / smoothed what keeps its sum
    const mass = massOf(load<f32>(masses + at), load<f32>(peaks + at), sinks, r % G);
    store<f32>(scales + at, smoothed > 0 ? inside / (smoothed * mass * <f32>size) : 0);
  }

  const step = TILE - 2 * half;
  for (let o = 0; o < scored; o += step) {
    const first = max(0, o - half);
    const keys = min(scored, o + step + half) - first;
    const end = min(scored, o + step);
    packRows(panels, k, first, keys, d, rest, type);
    for (let r = 0; r < R; r += 4) {
      const rows = min(4, R - r);
      tileScores(s, queries + ((<usize>(r * d)) << 2), panels, rows, keys, d, cap);
      for (let i = 0; i < rows; i++) {
        const row = s + ((<usize>(i * TILE)) << 2);
        const visible = min(keys, seenBy(r + i, P, G, n, causal) - first);
        if (visible <= 0) continue;
        maskedMax(row, visible, keys);
        const at = (<usize>(r + i)) << 2;
        expRow(row, keys, load<f32>(peaks + at));
        const scale = load<f32>(scales + at);
        // whole windows four at a time, those that reach beyond the tile one by one
        const last = first + keys - half - 3;
        let c = o;
        for (; c < min(end, first + half); c++) smooth1(out, row, c, half, first, keys, scale);
        for (; c < end - 3 && c < last; c += 4) {
          const window = row + ((<usize>(c - half - first)) << 2);
          let sum = f32x4.splat(0);
          for (let j: usize = 0; j < <usize>size; j++)
            sum = f32x4.add(sum, v128.load(window + (j << 2)));
          const to = out + ((<usize>c) << 2);
          v128.store(to, f32x4.pmax(v128.load(to), f32x4.mul(sum, f32x4.splat(scale))));
        }
        for (; c < end; c++) smooth1(out, row, c, half, first, keys, scale);
      }
    }
  }
}

/** out[c] = max(out[c], the average around row c of looks p [first .. first + keys), scaled). */
@inline
function smooth1(out: usize, p: usize, c: i32, half: i32, first: i32, keys: i32, scale: f32): void {
  let sum: f32 = 0;
  for (let j = max(0, c - half - first); j <= min(keys - 1, c + half - first); j++)
    sum += load<f32>(p + ((<usize>j) << 2));
  const to = out + ((<usize>c) << 2);
  store<f32>(to, max(load<f32>(to), sum * scale));
}
