// The gated feed-forward's activations, and the sums around it.
import { gelu4, geluInner4, geluSlope4, sigmoid4, silu4 } from './math';
import { scale } from './simd';


@inline
function activation(gate: v128, gelu: bool): v128 {
  return gelu ? gelu4(gate) : silu4(gate);
}


@inline
function gated(y: usize, gate: usize, up: usize, n: i32, gelu: bool): void {
  let i: usize = 0;
  const lanes = (<usize>(n & ~3)) << 2;
  const end = (<usize>n) << 2;
  for (; i < lanes; i += 16)
    v128.store(y + i, f32x4.mul(activation(v128.load(gate + i), gelu), v128.load(up + i)));
  for (; i < end; i += 4) {
    const one = activation(v128.load32_splat(gate + i), gelu);
    store<f32>(y + i, f32x4.extract_lane(one, 0) * load<f32>(up + i));
  }
}

/** y[i] = silu(gate[i]) * up[i]. y, gate, up f32 [n]; y may be gate. */
export function swiglu(y: usize, gate: usize, up: usize, n: i32): void {
  gated(y, gate, up, n, false);
}

/** y[i] = gelu(gate[i]) * up[i], gelu by tanh. y, gate, up f32 [n]; y may be gate. */
export function geglu(y: usize, gate: usize, up: usize, n: i32): void {
  gated(y, gate, up, n, true);
}

/** The gate's sigmoid: that of its own, or of what gelu takes. */
@inline
function open(gate: v128, gelu: bool): v128 {
  return sigmoid4(gelu ? geluInner4(gate) : gate);
}

/** Gradient of the gate, for four lanes: dy up (s + gate s (1 - s) inner'), s its sigmoid. */
@inline
function gateGradient(dy: v128, gate: v128, up: v128, s: v128, gelu: bool): v128 {
  let bend = f32x4.mul(f32x4.mul(gate, s), f32x4.sub(f32x4.splat(1), s));
  if (gelu) bend = f32x4.mul(bend, geluSlope4(gate));
  return f32x4.mul(f32x4.mul(dy, up), f32x4.add(s, bend));
}


@inline
function gateBack(dg: usize, du: usize, dy: usize, g: usize, u: usize, n: i32, gelu: bool): void {
  let i: usize = 0;
  const lanes = (<usize>(n & ~3)) << 2;
  const end = (<usize>n) << 2;
  for (; i < lanes; i += 16) {
    const d = v128.load(dy + i);
    const gate = v128.load(g + i);
    const s = open(gate, gelu);
    v128.store(dg + i, gateGradient(d, gate, v128.load(u + i), s, gelu));
    v128.store(du + i, f32x4.mul(d, f32x4.mul(gate, s)));
  }
  for (; i < end; i += 4) {
    const d = v128.load32_splat(dy + i);
    const gate = v128.load32_splat(g + i);
    const s = open(gate, gelu);
    v128.store32_lane(dg + i, gateGradient(d, gate, v128.load32_splat(u + i), s, gelu), 0);
    v128.store32_lane(du + i, f32x4.mul(d, f32x4.mul(gate, s)), 0);
  }
}

/**
 * The way back through swiglu, or geglu where `gelu`. All f32 [n]; dgate may be gate, dup may be up
 * or dy.
 */
export function gated_backward(
  dgate: usize,
  dup: usize,
  dy: usize,
  gate: usize,
  up: usize,
  n: i32,
  gelu: i32,
): void {
  if (gelu) gateBack(dgate, dup, dy, gate, up, n, true);
  else gateBack(dgate, dup, dy, gate, up, n, false);
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

/** y[i] = a[i] * b[i]. y, a, b f32 [n]; y may be a or b. */
export function multiply_rows(y: usize, a: usize, b: usize, n: i32): void {
  const lanes = (<usize>(n & ~3)) << 2;
  const end = (<usize>n) << 2;
  let i: usize = 0;
  for (; i < lanes; i += 16) v128.store(y + i, f32x4.mul(v128.load(a + i), v128.load(b + i)));
  for (; i < end; i += 4) store<f32>(y + i, load<f32>(a + i) * load<f32>(b + i));
}
