// Recurrences over a matrix S [values, keys] a head, one token alone: S = decay S + u k^T, y = S q.
// Four rows of S at a time are read, and written while they are still near.
import { dot } from '../row-norms';
import { floats, madd, sumOfEach } from '../simd';

/** Four numbers, or one and zeros. */
@inline
function part(p: usize, whole: bool): v128 {
  return whole ? v128.load(p) : v128.load32_zero(p);
}

/** S = decay S + u k of four numbers, or one. */
@inline
function renew(S: usize, k: v128, u: v128, decay: v128, whole: bool): void {
  const next = madd(f32x4.mul(decay, part(S, whole)), u, k);
  if (whole) v128.store(S, next);
  else v128.store32_lane(S, next, 0);
}

/** Of four rows of S the products with x; of one, four times, where `rows`, a constant, is 1. */
@inline
function readRows(S: usize, x: usize, next: usize, bytes: usize, rows: i32): v128 {
  const lanes = bytes & ~15;
  let a = f32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  let j: usize = 0;
  for (; j < lanes; j += 16) {
    const by = v128.load(x + j);
    a = madd(a, by, v128.load(S + j));
    if (rows > 1) b = madd(b, by, v128.load(S + next + j));
    if (rows > 2) c = madd(c, by, v128.load(S + 2 * next + j));
    if (rows > 3) d = madd(d, by, v128.load(S + 3 * next + j));
  }
  for (; j < bytes; j += 4) {
    const by = v128.load32_zero(x + j);
    a = madd(a, by, v128.load32_zero(S + j));
    if (rows > 1) b = madd(b, by, v128.load32_zero(S + next + j));
    if (rows > 2) c = madd(c, by, v128.load32_zero(S + 2 * next + j));
    if (rows > 3) d = madd(d, by, v128.load32_zero(S + 3 * next + j));
  }
  return rows > 1 ? sumOfEach(a, b, c, d) : sumOfEach(a, a, a, a);
}

/** S = decay S + u k^T of as many rows; u of each. */
@inline
function renewRows(
  S: usize,
  k: usize,
  u: v128,
  decay: v128,
  next: usize,
  bytes: usize,
  rows: i32,
): void {
  const a = i32x4.shuffle(u, u, 0, 0, 0, 0);
  const b = i32x4.shuffle(u, u, 1, 1, 1, 1);
  const c = i32x4.shuffle(u, u, 2, 2, 2, 2);
  const d = i32x4.shuffle(u, u, 3, 3, 3, 3);
  const lanes = bytes & ~15;
  let j: usize = 0;
  for (; j < lanes; j += 16) {
    const by = v128.load(k + j);
    renew(S + j, by, a, decay, true);
    if (rows > 1) renew(S + next + j, by, b, decay, true);
    if (rows > 2) renew(S + 2 * next + j, by, c, decay, true);
    if (rows > 3) renew(S + 3 * next + j, by, d, decay, true);
  }
  for (; j < bytes; j += 4) {
    const by = v128.load32_zero(k + j);
    renew(S + j, by, a, decay, false);
    if (rows > 1) renew(S + next + j, by, b, decay, false);
    if (rows > 2) renew(S + 2 * next + j, by, c, decay, false);
    if (rows > 3) renew(S + 3 * next + j, by, d, decay, false);
  }
}

/**
 * The step of four rows, or one; `rows` and `delta` are constants. `along` is q . k: y, of the rows
 * as they become, is made of those that were.
 */
@inline
function stepRows(
  S: usize,
  q: usize,
  k: usize,
  v: v128,
  next: usize,
  bytes: usize,
  decay: v128,
  rate: v128,
  along: v128,
  past: v128,
  rows: i32,
  delta: bool,
): v128 {
  let own = v;
  if (delta) own = f32x4.sub(v, f32x4.mul(decay, readRows(S, k, next, bytes, rows)));
  const u = f32x4.mul(rate, own);
  const read = f32x4.mul(decay, readRows(S, q, next, bytes, rows));
  renewRows(S, k, u, decay, next, bytes, rows);
  const y = f32x4.add(read, f32x4.mul(u, along));
  return delta ? y : f32x4.add(y, f32x4.mul(past, v));
}


@inline
function stepAll(
  y: usize,
  v: usize,
  state: usize,
  q: usize,
  k: usize,
  values: i32,
  keys: i32,
  decay: v128,
  rate: v128,
  along: v128,
  past: v128,
  delta: bool,
): void {
  const n = floats(keys);
  let i = 0;
  for (; i + 4 <= values; i += 4, y += 16, v += 16, state += 4 * n) {
    const own = v128.load(v);
    v128.store(y, stepRows(state, q, k, own, n, n, decay, rate, along, past, 4, delta));
  }
  for (; i < values; i++, y += 4, v += 4, state += n) {
    const own = v128.load32_splat(v);
    const read = stepRows(state, q, k, own, n, n, decay, rate, along, past, 1, delta);
    v128.store32_lane(y, read, 0);
  }
}

/**
 * One token of a head: u = rate v, or rate (v - decay S k) in a delta net; y = S q + past v.
 * y, v f32 [values] | state f32 [values, keys] | q, k f32 [keys]
 */
export function stepHead(
  y: usize,
  v: usize,
  state: usize,
  q: usize,
  k: usize,
  values: i32,
  keys: i32,
  decay: f32,
  rate: f32,
  past: f32,
  delta: bool,
): void {
  const along = f32x4.splat(dot(q, k, keys));
  const a = f32x4.splat(decay);
  const b = f32x4.splat(rate);
  const c = f32x4.splat(past);
  if (delta) stepAll(y, v, state, q, k, values, keys, a, b, along, c, true);
  else stepAll(y, v, state, q, k, values, keys, a, b, along, c, false);
}
