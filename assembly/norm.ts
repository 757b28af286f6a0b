// Root mean square normalisation.
import { madd, sumLanes } from './simd';

/** y[i, :] = x[i, :] / sqrt(mean(x[i, :]^2) + eps) * w. y, x f32 [n, d] | w f32 [d]; y may be x. */
export function rms_norm(y: usize, x: usize, w: usize, n: i32, d: i32, eps: f32): void {
  const bytes = (<usize>d) << 2;
  const lanes = (<usize>(d & ~3)) << 2;
  for (let i = 0; i < n; i++, x += bytes, y += bytes) {
    let squares = f32x4.splat(0);
    let j: usize = 0;
    for (; j < lanes; j += 16) {
      const v = v128.load(x + j);
      squares = madd(squares, v, v);
    }
    let sum = sumLanes(squares);
    for (; j < bytes; j += 4) sum += load<f32>(x + j) * load<f32>(x + j);
    const scale = <f32>1 / sqrt<f32>(sum / <f32>d + eps);
    const by = f32x4.splat(scale);
    for (j = 0; j < lanes; j += 16)
      v128.store(y + j, f32x4.mul(f32x4.mul(v128.load(x + j), by), v128.load(w + j)));
    for (; j < bytes; j += 4) store<f32>(y + j, load<f32>(x + j) * scale * load<f32>(w + j));
  }
}

/**
 * The way back through rms_norm, with r = 1 / sqrt(mean(x^2) + eps) of each row: dx = r (w dy - x
 * r^2 mean(w dy x)), added to dx where `add`; dw = sum_i dy[i] x[i] r[i], written, where dw is not
 * 0. dx, dy, x f32 [n, d] | dw, w f32 [d]; dx may be dy.
 */
export function rms_norm_backward(
  dx: usize,
  dw: usize,
  dy: usize,
  x: usize,
  w: usize,
  n: i32,
  d: i32,
  eps: f32,
  add: i32,
): void {
  const bytes = (<usize>d) << 2;
  const lanes = (<usize>(d & ~3)) << 2;
  if (dw != 0) memory.fill(dw, 0, bytes);
  for (let i = 0; i < n; i++, x += bytes, dx += bytes, dy += bytes) {
    let squares = f32x4.splat(0);
    let products = squares;
    let j: usize = 0;
    for (; j < lanes; j += 16) {
      const v = v128.load(x + j);
      squares = madd(squares, v, v);
      products = madd(products, v, f32x4.mul(v128.load(dy + j), v128.load(w + j)));
    }
    let square = sumLanes(squares);
    let product = sumLanes(products);
    for (; j < bytes; j += 4) {
      const v = load<f32>(x + j);
      square += v * v;
      product += v * (load<f32>(dy + j) * load<f32>(w + j));
    }
    const scale = <f32>1 / sqrt<f32>(square / <f32>d + eps);
    const along = (product * scale * scale) / <f32>d;
    for (j = 0; j < lanes; j += 16) {
      const v = v128.load(x + j);
      const back = f32x4.mul(v128.load(dy + j), f32x4.splat(scale));
      if (dw != 0) v128.store(dw + j, madd(v128.load(dw + j), back, v));
      const from = f32x4.mul(v, f32x4.splat(along * scale));
      const gradient = f32x4.sub(f32x4.mul(back, v128.load(w + j)), from);
      v128.store(dx + j, add ? f32x4.add(v128.load(dx + j), gradient) : gradient);
    }
    for (; j < bytes; j += 4) {
      const v = load<f32>(x + j);
      const back = load<f32>(dy + j) * scale;
      if (dw != 0) store<f32>(dw + j, load<f32>(dw + j) + back * v);
      const gradient: f32 = back * load<f32>(w + j) - v * (along * scale);
      store<f32>(dx + j, add ? load<f32>(dx + j) + gradient : gradient);
    }
  }
}
