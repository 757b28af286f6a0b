// The gated feed-forward's activations, and the sums around it.
import { cap1, capRow, clamped4, gelu4, geluInner4, geluSlope4, sigmoid4, silu4 } from './math';
import { madd, scale, sumLanes } from './simd';

/** What a gate goes through. */
export const SILU: i32 = 0;
export const GELU: i32 = 1;
export const CLAMPED: i32 = 2;


@inline
function gatedOf(gate: v128, up: v128, how: i32): v128 {
  if (how == CLAMPED) return clamped4(gate, up);
  return f32x4.mul(how == GELU ? gelu4(gate) : silu4(gate), up);
}

/** y[i] = up[i] times what becomes of gate[i]; how is a constant. y may be gate. */
@inline
export function gated(y: usize, gate: usize, up: usize, n: i32, how: i32): void {
  let i: usize = 0;
  const lanes = (<usize>(n & ~3)) << 2;
  const end = (<usize>n) << 2;
  for (; i < lanes; i += 16)
    v128.store(y + i, gatedOf(v128.load(gate + i), v128.load(up + i), how));
  for (; i < end; i += 4) {
    const one = gatedOf(v128.load32_splat(gate + i), v128.load32_splat(up + i), how);
    v128.store32_lane(y + i, one, 0);
  }
}

/** y[i] = silu(gate[i]) * up[i]. y, gate, up f32 [n]; y may be gate. */
export function swiglu(y: usize, gate: usize, up: usize, n: i32): void {
  gated(y, gate, up, n, SILU);
}

/** y[i] = gelu(gate[i]) * up[i], gelu by tanh. y, gate, up f32 [n]; y may be gate. */
export function geglu(y: usize, gate: usize, up: usize, n: i32): void {
  gated(y, gate, up, n, GELU);
}

/**
 * y[i] = g sigmoid(1.702 g) (u + 1), g = min(gate[i], 7), u = up[i] from -7 to 7. y, gate, up f32
 * [n]; y may be gate.
 */
export function clamped_glu(y: usize, gate: usize, up: usize, n: i32): void {
  gated(y, gate, up, n, CLAMPED);
}

/**
 * y[i, :] = gelu(max(gate[i, :] - c, 0)) * up[i, :], c = mean + `deviations` std of the row (of n -
 * 1). y, gate, up f32 [n, d]; y may be gate.
 */
export function sparse_geglu(
  y: usize,
  gate: usize,
  up: usize,
  n: i32,
  d: i32,
  deviations: f32,
): void {
  const bytes = (<usize>d) << 2;
  const lanes = (<usize>(d & ~3)) << 2;
  for (let i = 0; i < n; i++, y += bytes, gate += bytes, up += bytes) {
    const cut = f32x4.splat(cutoff(gate, d, deviations));
    const zero = f32x4.splat(0);
    let j: usize = 0;
    for (; j < lanes; j += 16) {
      const open = f32x4.max(f32x4.sub(v128.load(gate + j), cut), zero);
      v128.store(y + j, f32x4.mul(gelu4(open), v128.load(up + j)));
    }
    for (; j < bytes; j += 4) {
      const open = f32x4.max(f32x4.sub(v128.load32_splat(gate + j), cut), zero);
      v128.store32_lane(y + j, f32x4.mul(gelu4(open), v128.load32_splat(up + j)), 0);
    }
  }
}

/** mean + `deviations` std of n - 1 of x f32 [n]. */
function cutoff(x: usize, n: i32, deviations: f32): f32 {
  const lanes = (<usize>(n & ~3)) << 2;
  const bytes = (<usize>n) << 2;
  let sums = f32x4.splat(0);
  let j: usize = 0;
  for (; j < lanes; j += 16) sums = f32x4.add(sums, v128.load(x + j));
  let sum = sumLanes(sums);
  for (; j < bytes; j += 4) sum += load<f32>(x + j);
  const mean = sum / <f32>n;
  const means = f32x4.splat(mean);
  sums = f32x4.splat(0);
  for (j = 0; j < lanes; j += 16) {
    const apart = f32x4.sub(v128.load(x + j), means);
    sums = madd(sums, apart, apart);
  }
  sum = sumLanes(sums);
  for (; j < bytes; j += 4) {
    const apart = load<f32>(x + j) - mean;
    sum += apart * apart;
  }
  return mean + deviations * sqrt<f32>(sum / <f32>max(1, n - 1));
}

/** y[i] *= sigmoid(gate[i]). y, gate f32 [n] */
export function gate_by_sigmoid(y: usize, gate: usize, n: i32): void {
  let i: usize = 0;
  const lanes = (<usize>(n & ~3)) << 2;
  const end = (<usize>n) << 2;
  for (; i < lanes; i += 16)
    v128.store(y + i, f32x4.mul(v128.load(y + i), sigmoid4(v128.load(gate + i))));
  for (; i < end; i += 4) {
    const open = sigmoid4(v128.load32_splat(gate + i));
    store<f32>(y + i, load<f32>(y + i) * f32x4.extract_lane(open, 0));
  }
}

/** y[i] = max(y[i], 0)^2. y f32 [n] */
export function squared_relu(y: usize, n: i32): void {
  let i: usize = 0;
  const lanes = (<usize>(n & ~3)) << 2;
  const end = (<usize>n) << 2;
  for (; i < lanes; i += 16) {
    const x = f32x4.max(v128.load(y + i), f32x4.splat(0));
    v128.store(y + i, f32x4.mul(x, x));
  }
  for (; i < end; i += 4) {
    const x = max<f32>(load<f32>(y + i), 0);
    store<f32>(y + i, x * x);
  }
}

/** y[i] = cap tanh(y[i] / cap). y f32 [n]; cap > 0 */
export function soft_cap(y: usize, cap: f32, n: i32): void {
  const whole = n & ~3;
  capRow(y, whole, cap);
  for (let i = whole; i < n; i++) {
    const at = y + ((<usize>i) << 2);
    store<f32>(at, cap1(load<f32>(at), cap));
  }
}

/** y[i, :] *= by. y f32 [n, d] | by f32 [d] */
export function multiply_columns(y: usize, by: usize, n: i32, d: i32): void {
  const bytes = (<usize>d) << 2;
  const lanes = (<usize>(d & ~3)) << 2;
  for (let i = 0; i < n; i++, y += bytes) {
    let j: usize = 0;
    for (; j < lanes; j += 16) v128.store(y + j, f32x4.mul(v128.load(y + j), v128.load(by + j)));
    for (; j < bytes; j += 4) store<f32>(y + j, load<f32>(y + j) * load<f32>(by + j));
  }
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
