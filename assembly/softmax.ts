// A softmax that runs over tiles of scores: a query's largest score so far, and the sum of
// exp(score - largest).
import { exp1, exp4, expRow } from './math';
import { TILE } from './rows/table';
import { maxLanes, maxOfEach } from './simd';

/** Bytes from one query's scores of a tile to the next one's. */
export const ROW: usize = (<usize>TILE) << 2;

/** Sets scores 0 .. `hidden` to -inf: rows before a window. */
@inline
export function hideBefore(s: usize, hidden: i32): void {
  for (let j = 0; j < hidden; j++) store<f32>(s + ((<usize>j) << 2), -Infinity);
}

/** Sets scores `visible` .. `keys` (rounded up to 4) to -inf and gives the largest of the rest. */
@inline
export function maskedMax(s: usize, visible: i32, keys: i32): f32 {
  const end = (keys + 3) & ~3;
  for (let j = visible; j < end; j++) store<f32>(s + ((<usize>j) << 2), -Infinity);
  let peak = f32x4.splat(-Infinity);
  for (let j = 0; j < visible; j += 4) peak = f32x4.pmax(peak, v128.load(s + ((<usize>j) << 2)));
  return maxLanes(peak);
}

/**
 * Takes the next `keys` scores in, of which the query sees the first `visible`: s becomes
 * exp(score - largest). Returns what sums on the old scale are to be multiplied by. peak, mass f32
 * [1]
 */
@inline
export function takeScores(s: usize, visible: i32, keys: i32, peak: usize, mass: usize): f32 {
  const before = load<f32>(peak);
  const largest = max(before, maskedMax(s, visible, keys));
  const sum = expRow(s, keys, largest);
  const decay = exp1(before - largest);
  store<f32>(peak, largest);
  store<f32>(mass, load<f32>(mass) * decay + sum);
  return decay;
}

/**
 * takeScores() of four queries at once, bit for bit: s f32 [4, TILE] | peaks, masses f32 [4]. Those
 * beyond the first R are whatever they are.
 */
@inline
export function takeFour(s: usize, n: i32, R: i32, peaks: usize, masses: usize): v128 {
  for (let r: usize = 0; r < <usize>R; r++) {
    for (let i = n; i < ((n + 3) & ~3); i++) store<f32>(s + r * ROW + ((<usize>i) << 2), -Infinity);
  }
  let a = v128.load(s);
  let b = v128.load(s + ROW);
  let c = v128.load(s + 2 * ROW);
  let e = v128.load(s + 3 * ROW);
  for (let p = s + 16, end = s + ((<usize>n) << 2); p < end; p += 16) {
    a = f32x4.pmax(a, v128.load(p));
    b = f32x4.pmax(b, v128.load(p, ROW));
    c = f32x4.pmax(c, v128.load(p, 2 * ROW));
    e = f32x4.pmax(e, v128.load(p, 3 * ROW));
  }
  const all = maxOfEach(a, b, c, e);
  const before = v128.load(peaks);
  const largest = f32x4.pmax(before, all);
  const decay = exp4(f32x4.sub(before, largest));
  v128.store(peaks, largest);
  v128.store(masses, f32x4.mul(v128.load(masses), decay));
  for (let r: usize = 0; r < <usize>R; r++) {
    const mass = masses + (r << 2);
    const sum = expRow(s + r * ROW, n, load<f32>(peaks + (r << 2)));
    store<f32>(mass, load<f32>(mass) + sum);
  }
  return decay;
}

/** No scores yet, of R queries: peaks, masses f32 [R] */
@inline
export function noScores(peaks: usize, masses: usize, R: i32): void {
  memory.fill(masses, 0, (<usize>R) << 2);
  for (let r: usize = 0; r < <usize>R; r++) store<f32>(peaks + (r << 2), -Infinity);
}

/**
 * The sum of exp(score - peak) of query head g, where its sink, if there are sinks, is one more
 * score. sinks f32 [G], or 0. exp saturates, so that a sink far above all scores leaves next to
 * nothing of them.
 */
@inline
export function massOf(mass: f32, peak: f32, sinks: usize, g: i32): f32 {
  return sinks == 0 ? mass : mass + exp1(load<f32>(sinks + ((<usize>g) << 2)) - peak);
}
