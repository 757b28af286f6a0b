// Root mean square normalisation.
import { silu4 } from './math';
import { madd, sumLanes } from './simd';

/**
 * y[i, :] = x[i, :] / sqrt(mean(x[i, :]^2) + eps) * w. y, x f32 [n, d] | w f32 [d], or 0: all are
 * 1; y may be x.
 */
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
    if (w == 0) {
      for (j = 0; j < lanes; j += 16) v128.store(y + j, f32x4.mul(v128.load(x + j), by));
      for (; j < bytes; j += 4) store<f32>(y + j, load<f32>(x + j) * scale);
      continue;
    }
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

/** What an input of a gated norm becomes behind it. */
@inline
function gatedOutput(v: v128, gate: v128, w: v128, by: v128, gateFirst: bool): v128 {
  const normed = f32x4.mul(f32x4.mul(v, by), w);
  return gateFirst ? normed : f32x4.mul(normed, silu4(gate));
}


@inline
function gatedRow(
  y: usize,
  x: usize,
  gate: usize,
  w: usize,
  n: i32,
  eps: f32,
  gateFirst: bool,
): void {
  const bytes = (<usize>n) << 2;
  const lanes = (<usize>(n & ~3)) << 2;
  let squares = f32x4.splat(0);
  let j: usize = 0;
  for (; j < lanes; j += 16) {
    let v = v128.load(x + j);
    if (gateFirst) {
      v = f32x4.mul(v, silu4(v128.load(gate + j)));
      v128.store(y + j, v);
    }
    squares = madd(squares, v, v);
  }
  let sum = sumLanes(squares);
  for (; j < bytes; j += 4) {
    let v = v128.load32_splat(x + j);
    if (gateFirst) {
      v = f32x4.mul(v, silu4(v128.load32_splat(gate + j)));
      v128.store32_lane(y + j, v, 0);
    }
    sum += f32x4.extract_lane(v, 0) * f32x4.extract_lane(v, 0);
  }
  const from = gateFirst ? y : x;
  const by = f32x4.splat(<f32>1 / sqrt<f32>(sum / <f32>n + eps));
  for (j = 0; j < lanes; j += 16) {
    const v = v128.load(from + j);
    v128.store(y + j, gatedOutput(v, v128.load(gate + j), v128.load(w + j), by, gateFirst));
  }
  for (; j < bytes; j += 4) {
    const v = v128.load32_splat(from + j);
    const open = v128.load32_splat(gate + j);
    const weight = v128.load32_splat(w + j);
    v128.store32_lane(y + j, gatedOutput(v, open, weight, by, gateFirst), 0);
  }
}

/**
 * Rows normed and gated: y = x / sqrt(mean(x^2) + eps) w silu(gate), or where the gate comes first
 * that of x silu(gate), without it. y, x, gate f32 [rows, n], y may be either | w f32 [wRows, n],
 * row i of it for rows i, i + wRows, ..
 */
export function gated_norm(
  y: usize,
  x: usize,
  gate: usize,
  w: usize,
  rows: i32,
  n: i32,
  wRows: i32,
  eps: f32,
  gateFirst: i32,
): void {
  const bytes = (<usize>n) << 2;
  for (let i = 0; i < rows; i++, y += bytes, x += bytes, gate += bytes) {
    const weights = w + <usize>(i % wRows) * bytes;
    if (gateFirst) gatedRow(y, x, gate, weights, n, eps, true);
    else gatedRow(y, x, gate, weights, n, eps, false);
  }
}
