// A step of AdamW (docs/algorithms.md, 'AdamW').
import { madd } from './simd';

/**
 * m = beta1 m + rest1 g, v = beta2 v + rest2 g^2, w -= rate (m unbias1 / (sqrt(v unbias2) +
 * epsilon) + decay w), with g = by g, which is 0 behind it; rest = 1 - beta, unbias = 1 / (1 -
 * beta^step). w, g, m, v f32 [n]
 */
export function adamw(
  w: usize,
  g: usize,
  m: usize,
  v: usize,
  n: i32,
  rate: f32,
  beta1: f32,
  rest1: f32,
  unbias1: f32,
  beta2: f32,
  rest2: f32,
  unbias2: f32,
  epsilon: f32,
  decay: f32,
  by: f32,
): void {
  let i: usize = 0;
  const lanes = (<usize>(n & ~3)) << 2;
  const end = (<usize>n) << 2;
  for (; i < lanes; i += 16) {
    const gradient = f32x4.mul(v128.load(g + i), f32x4.splat(by));
    const mean = madd(
      f32x4.mul(v128.load(m + i), f32x4.splat(beta1)),
      gradient,
      f32x4.splat(rest1),
    );
    const square = madd(
      f32x4.mul(v128.load(v + i), f32x4.splat(beta2)),
      f32x4.mul(gradient, gradient),
      f32x4.splat(rest2),
    );
    const root = f32x4.sqrt(f32x4.mul(square, f32x4.splat(unbias2)));
    const towards = f32x4.div(
      f32x4.mul(mean, f32x4.splat(unbias1)),
      f32x4.add(root, f32x4.splat(epsilon)),
    );
    const weight = v128.load(w + i);
    const step = madd(towards, weight, f32x4.splat(decay));
    v128.store(w + i, f32x4.sub(weight, f32x4.mul(step, f32x4.splat(rate))));
    v128.store(m + i, mean);
    v128.store(v + i, square);
    v128.store(g + i, f32x4.splat(0));
  }
  for (; i < end; i += 4) {
    const gradient = load<f32>(g + i) * by;
    const mean = load<f32>(m + i) * beta1 + gradient * rest1;
    const square = load<f32>(v + i) * beta2 + gradient * gradient * rest2;
    const towards = (mean * unbias1) / (sqrt<f32>(square * unbias2) + epsilon);
    const weight = load<f32>(w + i);
    store<f32>(w + i, weight - (towards + weight * decay) * rate);
    store<f32>(m + i, mean);
    store<f32>(v + i, square);
    store<f32>(g + i, 0);
  }
}
