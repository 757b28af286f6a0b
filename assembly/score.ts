// Attention of observers (a patched prompt, the last queries of a block) on cached rows, fused with
// its aggregation over them. Two passes over the keys: first each query's log-sum-exp, then exp(q.k
// - lse) folded into one number a row; [G * P, n] never exists. The first can be cut by queries,
// the second by rows, and is left out where attention has just seen the same rows and left its
// sums.
import { behindRows, packRows, tileScores } from './attention';
import { expRow } from './math';
import { gatherQueries } from './queries';
import { TILE } from './rows/table';
import { noScores, massOf, takeScores } from './softmax';

/** How the looks of all queries at one row become its score. */
const MEAN: i32 = 0;
const MAX: i32 = 1;

/** Bytes of scratch for observe_sums() and observe() with P queries of G heads. */
export function observe_scratch(P: i32, G: i32, d: i32): i32 {
  return (P * G * d + TILE * d * 2 + 4 * TILE) * 4;
}

/**
 * Largest score of each query q[p, g] . k[i] / sqrt(d), and sum_i exp(score - largest), over all n
 * rows, or, `causal`, over rows i <= n - P + p. looks f32 [2][P, G], `apart` numbers from one to
 * the other | q f32 [P, G, d] ldq | k rows [n, d] | rest of loadRows |
 * scratch observe_scratch(); causal: n >= P | cap of attention()
 */
export function observe_sums(
  looks: usize,
  q: usize,
  k: usize,
  rest: usize,
  scratch: usize,
  P: i32,
  G: i32,
  n: i32,
  d: i32,
  ldq: i32,
  causal: i32,
  type: i32,
  apart: i32,
  cap: f32,
): void {
  const R = P * G;
  const peaks = looks;
  const masses = looks + ((<usize>apart) << 2);
  const panels = scratch + ((<usize>(R * d)) << 2);
  const s = behindRows(panels, d);
  gatherQueries(scratch, q, P, G, d, ldq, type);
  noScores(peaks, masses, R);
  for (let i0 = 0; i0 < n; i0 += TILE) {
    const keys = min(TILE, n - i0);
    packRows(panels, k, i0, keys, d, rest, type);
    for (let r = 0; r < R; r += 4) {
      const rows = min(4, R - r);
      if (causal && n - P + (r + rows - 1) / G + 1 <= i0) continue;
      tileScores(s, scratch + ((<usize>(r * d)) << 2), panels, rows, keys, d, cap);
      for (let i = 0; i < rows; i++) {
        const row = s + ((<usize>(i * TILE)) << 2);
        const visible = causal ? min(keys, n - P + (r + i) / G + 1 - i0) : keys;
        if (visible <= 0) continue;
        const at = (<usize>(r + i)) << 2;
        takeScores(row, visible, keys, peaks + at, masses + at);
      }
    }
  }
}

/**
 * out[i] = mean or max over g, p of softmax_i(q[p, g] . k[i] / sqrt(d)), for rows first .. first +
 * count of n. The softmax runs over all n rows, or,
 * `causal`, over rows i <= n - P + p (the queries are those of the last P rows); its sums are in
 * `looks`, as observe_sums() leaves them.
 * out f32 [count] | q f32 [P, G, d] ldq | k rows [n, d] | rest of loadRows |
 * scratch observe_scratch() | looks f32 [2][P, G]; causal: n >= P | cap, sinks of attention()
 */
export function observe(
  out: usize,
  q: usize,
  k: usize,
  rest: usize,
  scratch: usize,
  P: i32,
  G: i32,
  n: i32,
  first: i32,
  count: i32,
  d: i32,
  ldq: i32,
  causal: i32,
  aggregate: i32,
  type: i32,
  looks: usize,
  cap: f32,
  sinks: usize,
): void {
  const R = P * G;
  const peaks = looks;
  const masses = looks + ((<usize>R) << 2);
  const panels = scratch + ((<usize>(R * d)) << 2);
  const s = behindRows(panels, d);
  memory.fill(out, 0, (<usize>count) << 2);
  gatherQueries(scratch, q, P, G, d, ldq, type);
  for (let i0 = 0; i0 < count; i0 += TILE) {
    const keys = min(TILE, count - i0);
    const at = first + i0;
    packRows(panels, k, at, keys, d, rest, type);
    for (let r = 0; r < R; r += 4) {
      const rows = min(4, R - r);
      if (causal && n - P + (r + rows - 1) / G + 1 <= at) continue;
      tileScores(s, scratch + ((<usize>(r * d)) << 2), panels, rows, keys, d, cap);
      for (let i = 0; i < rows; i++) {
        const row = s + ((<usize>(i * TILE)) << 2);
        const visible = causal ? min(keys, n - P + (r + i) / G + 1 - at) : keys;
        if (visible <= 0) continue;
        for (let j = visible; j < ((keys + 3) & ~3); j++)
          store<f32>(row + ((<usize>j) << 2), -Infinity);
        const peak = load<f32>(peaks + ((<usize>(r + i)) << 2));
        const mass = load<f32>(masses + ((<usize>(r + i)) << 2));
        expRow(row, keys, peak);
        const by = f32x4.splat(<f32>1 / massOf(mass, peak, sinks, (r + i) % G));
        for (let j = 0; j < keys; j += 4) {
          fold(
            out + ((<usize>(i0 + j)) << 2),
            f32x4.mul(v128.load(row + ((<usize>j) << 2)), by),
            keys - j,
            aggregate,
          );
        }
      }
    }
  }
  if (aggregate == MEAN) {
    const by = <f32>1 / <f32>R;
    for (let i: usize = 0; i < (<usize>count) << 2; i += 4)
      store<f32>(out + i, load<f32>(out + i) * by);
  }
}

/** Folds up to four looks into the scores at `to`. */
@inline
function fold(to: usize, p: v128, left: i32, aggregate: i32): void {
  if (left >= 4) {
    const old = v128.load(to);
    v128.store(to, aggregate == MAX ? f32x4.pmax(old, p) : f32x4.add(old, p));
    return;
  }
  fold1(to, f32x4.extract_lane(p, 0), aggregate);
  if (left > 1) fold1(to + 4, f32x4.extract_lane(p, 1), aggregate);
  if (left > 2) fold1(to + 8, f32x4.extract_lane(p, 2), aggregate);
}


@inline
function fold1(to: usize, p: f32, aggregate: i32): void {
  const old = load<f32>(to);
  store<f32>(to, aggregate == MAX ? max(old, p) : old + p);
}

/**
 * out[i] = mean of s[i - size / 2 .. i + size / 2], zeros beyond the ends. out, s f32 [n], apart;
 * size odd.
 */
export function average_pool(out: usize, s: usize, n: i32, size: i32): void {
  const half = size >> 1;
  const by = <f32>1 / <f32>size;
  for (let i = 0; i < n; i++) {
    let sum: f32 = 0;
    for (let j = max(0, i - half); j <= min(n - 1, i + half); j++)
      sum += load<f32>(s + ((<usize>j) << 2));
    store<f32>(out + ((<usize>i) << 2), sum * by);
  }
}
