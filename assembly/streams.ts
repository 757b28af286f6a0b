// Hidden states in several streams, each f32 [n, d], `stride` elements behind the one before.
import { madd, sumLanes } from './simd';

/**
 * y_o[t, :] = x_o[t, :] + sum_i c[t, o s + i] x_i[t, :]. y, x f32 [s][n, d] | c f32 [n, s^2]; y
 * lies apart from x.
 */
export function predict_streams(
  y: usize,
  x: usize,
  c: usize,
  n: i32,
  d: i32,
  s: i32,
  stride: i32,
): void {
  const bytes = (<usize>d) << 2;
  const lanes = (<usize>(d & ~3)) << 2;
  const apart = (<usize>stride) << 2;
  for (let t = 0; t < n; t++, y += bytes, x += bytes) {
    for (let o = 0; o < s; o++, c += (<usize>s) << 2) {
      const at = <usize>o * apart;
      let j: usize = 0;
      for (; j < lanes; j += 16) {
        let sum = v128.load(x + at + j);
        for (let i: usize = 0, from = x + j; i < <usize>s; i++, from += apart)
          sum = madd(sum, v128.load32_splat(c + (i << 2)), v128.load(from));
        v128.store(y + at + j, sum);
      }
      for (; j < bytes; j += 4) {
        let sum = v128.load32_splat(x + at + j);
        for (let i: usize = 0, from = x + j; i < <usize>s; i++, from += apart)
          sum = madd(sum, v128.load32_splat(c + (i << 2)), v128.load32_splat(from));
        v128.store32_lane(y + at + j, sum, 0);
      }
    }
  }
}

/**
 * x_i[t, :] = y_i[t, :] + (1 + c[t, i]) (x_0[t, :] - y_0[t, :]). x, y f32 [s][n, d] | c f32 [n, s];
 * y lies apart from x.
 */
export function correct_streams(
  x: usize,
  y: usize,
  c: usize,
  n: i32,
  d: i32,
  s: i32,
  stride: i32,
): void {
  const bytes = (<usize>d) << 2;
  const lanes = (<usize>(d & ~3)) << 2;
  const apart = (<usize>stride) << 2;
  for (let t = 0; t < n; t++, y += bytes, x += bytes, c += (<usize>s) << 2) {
    let j: usize = 0;
    for (; j < lanes; j += 16) {
      const change = f32x4.sub(v128.load(x + j), v128.load(y + j));
      for (let i: usize = 0, at = j; i < <usize>s; i++, at += apart) {
        const by = f32x4.splat(<f32>1 + load<f32>(c + (i << 2)));
        v128.store(x + at, madd(v128.load(y + at), by, change));
      }
    }
    for (; j < bytes; j += 4) {
      const change = f32x4.sub(v128.load32_splat(x + j), v128.load32_splat(y + j));
      for (let i: usize = 0, at = j; i < <usize>s; i++, at += apart) {
        const by = f32x4.splat(<f32>1 + load<f32>(c + (i << 2)));
        v128.store32_lane(x + at, madd(v128.load32_splat(y + at), by, change), 0);
      }
    }
  }
}

/** Sum of the squares of x f32 [n]. */
@inline
function squaresOf(x: usize, n: i32): f32 {
  const lanes = (<usize>(n & ~3)) << 2;
  const end = (<usize>n) << 2;
  let squares = f32x4.splat(0);
  let j: usize = 0;
  for (; j < lanes; j += 16) {
    const v = v128.load(x + j);
    squares = madd(squares, v, v);
  }
  let sum = sumLanes(squares);
  for (; j < end; j += 4) sum += load<f32>(x + j) * load<f32>(x + j);
  return sum;
}

/** y[i, :] *= norm2(x[i, :]) / norm2(y[i, :]); rows of zeros stay. y, x f32 [n, d] */
export function match_norms(y: usize, x: usize, n: i32, d: i32): void {
  const bytes = (<usize>d) << 2;
  const lanes = (<usize>(d & ~3)) << 2;
  for (let i = 0; i < n; i++, y += bytes, x += bytes) {
    const own = squaresOf(y, d);
    if (own == 0) continue;
    const scale = sqrt<f32>(squaresOf(x, d)) / sqrt<f32>(own);
    const by = f32x4.splat(scale);
    let j: usize = 0;
    for (; j < lanes; j += 16) v128.store(y + j, f32x4.mul(v128.load(y + j), by));
    for (; j < bytes; j += 4) store<f32>(y + j, load<f32>(y + j) * scale);
  }
}
