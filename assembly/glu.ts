// The gated feed-forward's activations, and the sums around it.
import { gelu4, silu4 } from './math';
import { scale } from './simd';

/** y[i] = silu(gate[i]) * up[i]. y, gate, up f32 [n]; y may be gate. */
export function swiglu(y: usize, gate: usize, up: usize, n: i32): void {
  let i: usize = 0;
  const lanes = (<usize>(n & ~3)) << 2;
  const end = (<usize>n) << 2;
  for (; i < lanes; i += 16)
    v128.store(y + i, f32x4.mul(silu4(v128.load(gate + i)), v128.load(up + i)));
  for (; i < end; i += 4) {
    store<f32>(
      y + i,
      f32x4.extract_lane(silu4(v128.load32_splat(gate + i)), 0) * load<f32>(up + i),
    );
  }
}

/** y[i] = gelu(gate[i]) * up[i], gelu by tanh. y, gate, up f32 [n]; y may be gate. */
export function geglu(y: usize, gate: usize, up: usize, n: i32): void {
  let i: usize = 0;
  const lanes = (<usize>(n & ~3)) << 2;
  const end = (<usize>n) << 2;
  for (; i < lanes; i += 16)
    v128.store(y + i, f32x4.mul(gelu4(v128.load(gate + i)), v128.load(up + i)));
  for (; i < end; i += 4) {
    store<f32>(
      y + i,
      f32x4.extract_lane(gelu4(v128.load32_splat(gate + i)), 0) * load<f32>(up + i),
    );
  }
}

/** y[i] *= by. y f32 [n] */
export function scale_rows(y: usize, by: f32, n: i32): void {
  const lanes = (<usize>(n & ~3)) << 2;
  const end = (<usize>n) << 2;
  scale(y, by, lanes);
  for (let i = lanes; i < end; i += 4) store<f32>(y + i, load<f32>(y + i) * by);
}

/**
 * y[i, :] += x[i, :] with x advancing by ldx elements a row: ldx = d adds a matrix, ldx = 0 adds
 * one row (a bias) to all. y f32 [n, d] | x f32
 */
export function add_rows(y: usize, x: usize, n: i32, d: i32, ldx: i32): void {
  const bytes = (<usize>d) << 2;
  const lanes = (<usize>(d & ~3)) << 2;
  for (let i = 0; i < n; i++, y += bytes, x += (<usize>ldx) << 2) {
    let j: usize = 0;
    for (; j < lanes; j += 16) v128.store(y + j, f32x4.add(v128.load(y + j), v128.load(x + j)));
    for (; j < bytes; j += 4) store<f32>(y + j, load<f32>(y + j) + load<f32>(x + j));
  }
}
