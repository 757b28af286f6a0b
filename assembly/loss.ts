// What training ends with: the loss, and the length of a gradient.
import { exp1, expRow, log1 } from './math';
import { maxLanes, scale } from './simd';

/** Numbers whose exponentials are added in f32; sums of theirs are f64. A multiple of 4. */
const PIECE: i32 = 4096;

/** Largest of V numbers. x f32 [V] */
function largest(x: usize, V: i32): f32 {
  const end = x + ((<usize>V) << 2);
  let a = f32x4.splat(-Infinity);
  let b = a;
  let c = a;
  let d = a;
  // four at a time: maxima that do not wait for one another
  for (; x + 64 <= end; x += 64) {
    a = f32x4.pmax(a, v128.load(x));
    b = f32x4.pmax(b, v128.load(x, 16));
    c = f32x4.pmax(c, v128.load(x, 32));
    d = f32x4.pmax(d, v128.load(x, 48));
  }
  let peak = maxLanes(f32x4.pmax(f32x4.pmax(a, b), f32x4.pmax(c, d)));
  for (; x < end; x += 4) peak = max(peak, load<f32>(x));
  return peak;
}

/**
 * losses[i] = -log softmax(logits[i])[targets[i]]; logits[i] = by (softmax(logits[i]) - 1 at the
 * target) (docs/algorithms.md, 'Cross entropy'). losses f32 [n] | logits f32 [n, V] in place |
 * targets i32 [n], each below V
 */
export function cross_entropy(
  losses: usize,
  logits: usize,
  targets: usize,
  n: i32,
  V: i32,
  by: f32,
): void {
  const lanes = V & ~3;
  for (let i: usize = 0; i < <usize>n; i++, logits += (<usize>V) << 2) {
    const target = logits + ((<usize>load<i32>(targets + (i << 2))) << 2);
    const peak = largest(logits, V);
    const lead = <f64>load<f32>(target) - <f64>peak;
    let sum: f64 = 0;
    for (let j = 0; j < lanes; j += PIECE)
      sum += expRow(logits + ((<usize>j) << 2), min(PIECE, lanes - j), peak);
    for (let j = lanes; j < V; j++) {
      const at = logits + ((<usize>j) << 2);
      const mass = exp1(load<f32>(at) - peak);
      store<f32>(at, mass);
      sum += mass;
    }
    store<f32>(losses + (i << 2), <f32>(log1(sum) - lead));
    const factor = <f32>(<f64>by / sum);
    scale(logits, factor, (<usize>lanes) << 2);
    for (let j = lanes; j < V; j++) {
      const at = logits + ((<usize>j) << 2);
      store<f32>(at, load<f32>(at) * factor);
    }
    store<f32>(target, load<f32>(target) - by);
  }
}

/** sum f64 [1] = sum of squares. x f32 [n] */
export function sum_squares(sum: usize, x: usize, n: i32): void {
  let a = f64x2.splat(0);
  let b = a;
  let i = 0;
  for (; i + 4 <= n; i += 4, x += 16) {
    const v = v128.load(x);
    const low = f64x2.promote_low_f32x4(v);
    const high = f64x2.promote_low_f32x4(i64x2.shuffle(v, v, 1, 0));
    a = f64x2.add(a, f64x2.mul(low, low));
    b = f64x2.add(b, f64x2.mul(high, high));
  }
  a = f64x2.add(a, b);
  let total = f64x2.extract_lane(a, 0) + f64x2.extract_lane(a, 1);
  for (; i < n; i++, x += 4) total += <f64>load<f32>(x) * <f64>load<f32>(x);
  store<f64>(sum, total);
}
