// Register tiles of f32 matrix products. Sums run over k in order, whatever the number of tokens, so
// that a token's result is the same bits in a block of 1 and in a block of 256.
import { madd } from '../simd';

/**
 * y[t, 0..8] = sum_k x[t, k] p[k, 0..8], t < 4; added to y where `add`.
 * y f32 [4, 8] ldy | x f32 [4, k] ldx | p f32 [k, 8] ldp
 */
export function tile4(
  y: usize,
  x: usize,
  p: usize,
  k: i32,
  ldy: i32,
  ldx: i32,
  ldp: i32,
  add: bool,
): void {
  const stepY = (<usize>ldy) << 2;
  const stepX = (<usize>ldx) << 2;
  const stepP = (<usize>ldp) << 2;
  const y1 = y + stepY;
  const y2 = y1 + stepY;
  const y3 = y2 + stepY;
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let b0 = a0;
  let b1 = a0;
  let c0 = a0;
  let c1 = a0;
  let d0 = a0;
  let d1 = a0;
  if (add) {
    a0 = v128.load(y);
    a1 = v128.load(y, 16);
    b0 = v128.load(y1);
    b1 = v128.load(y1, 16);
    c0 = v128.load(y2);
    c1 = v128.load(y2, 16);
    d0 = v128.load(y3);
    d1 = v128.load(y3, 16);
  }
  let x0 = x;
  let x1 = x + stepX;
  let x2 = x1 + stepX;
  let x3 = x2 + stepX;
  const end = x + ((<usize>k) << 2);
  while (x0 < end) {
    const w0 = v128.load(p);
    const w1 = v128.load(p, 16);
    let s = v128.load32_splat(x0);
    a0 = madd(a0, s, w0);
    a1 = madd(a1, s, w1);
    s = v128.load32_splat(x1);
    b0 = madd(b0, s, w0);
    b1 = madd(b1, s, w1);
    s = v128.load32_splat(x2);
    c0 = madd(c0, s, w0);
    c1 = madd(c1, s, w1);
    s = v128.load32_splat(x3);
    d0 = madd(d0, s, w0);
    d1 = madd(d1, s, w1);
    p += stepP;
    x0 += 4;
    x1 += 4;
    x2 += 4;
    x3 += 4;
  }
  v128.store(y, a0);
  v128.store(y, a1, 16);
  v128.store(y1, b0);
  v128.store(y1, b1, 16);
  v128.store(y2, c0);
  v128.store(y2, c1, 16);
  v128.store(y3, d0);
  v128.store(y3, d1, 16);
}

/** The same for one token: y[0..8] = sum_k x[k] p[k, 0..8]. */
export function tile1(y: usize, x: usize, p: usize, k: i32, ldp: i32, add: bool): void {
  const stepP = (<usize>ldp) << 2;
  let a0 = f32x4.splat(0);
  let a1 = a0;
  if (add) {
    a0 = v128.load(y);
    a1 = v128.load(y, 16);
  }
  const end = x + ((<usize>k) << 2);
  while (x < end) {
    const s = v128.load32_splat(x);
    a0 = madd(a0, s, v128.load(p));
    a1 = madd(a1, s, v128.load(p, 16));
    p += stepP;
    x += 4;
  }
  v128.store(y, a0);
  v128.store(y, a1, 16);
}

/**
 * The same for one token and four panels, `step` bytes apart: eight sums at a time, where two would
 * wait for one another.
 */
function tile1x4(y: usize, x: usize, p: usize, k: i32, ldp: i32, step: usize, add: bool): void {
  const stepP = (<usize>ldp) << 2;
  let p1 = p + step;
  let p2 = p1 + step;
  let p3 = p2 + step;
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let b0 = a0;
  let b1 = a0;
  let c0 = a0;
  let c1 = a0;
  let d0 = a0;
  let d1 = a0;
  if (add) {
    a0 = v128.load(y);
    a1 = v128.load(y, 16);
    b0 = v128.load(y, 32);
    b1 = v128.load(y, 48);
    c0 = v128.load(y, 64);
    c1 = v128.load(y, 80);
    d0 = v128.load(y, 96);
    d1 = v128.load(y, 112);
  }
  const end = x + ((<usize>k) << 2);
  while (x < end) {
    const s = v128.load32_splat(x);
    a0 = madd(a0, s, v128.load(p));
    a1 = madd(a1, s, v128.load(p, 16));
    b0 = madd(b0, s, v128.load(p1));
    b1 = madd(b1, s, v128.load(p1, 16));
    c0 = madd(c0, s, v128.load(p2));
    c1 = madd(c1, s, v128.load(p2, 16));
    d0 = madd(d0, s, v128.load(p3));
    d1 = madd(d1, s, v128.load(p3, 16));
    p += stepP;
    p1 += stepP;
    p2 += stepP;
    p3 += stepP;
    x += 4;
  }
  v128.store(y, a0);
  v128.store(y, a1, 16);
  v128.store(y, b0, 32);
  v128.store(y, b1, 48);
  v128.store(y, c0, 64);
  v128.store(y, c1, 80);
  v128.store(y, d0, 96);
  v128.store(y, d1, 112);
}

/**
 * y[n, 0 .. 8 * panels] (+)= x[n, k] p[k, 0 .. 8 * panels] for any n, panels lying `step` bytes
 * apart.
 */
export function tilePanels(
  y: usize,
  x: usize,
  p: usize,
  n: i32,
  panels: i32,
  step: usize,
  k: i32,
  ldy: i32,
  ldx: i32,
  ldp: i32,
  add: bool,
): void {
  let t = 0;
  for (; t + 4 <= n; t += 4) {
    const to = y + <usize>t * ldy * 4;
    const from = x + <usize>t * ldx * 4;
    for (let j = 0; j < panels; j++)
      tile4(to + ((<usize>j) << 5), from, p + <usize>j * step, k, ldy, ldx, ldp, add);
  }
  for (; t < n; t++) {
    const to = y + <usize>t * ldy * 4;
    const from = x + <usize>t * ldx * 4;
    let j = 0;
    for (; j + 4 <= panels; j += 4)
      tile1x4(to + ((<usize>j) << 5), from, p + <usize>j * step, k, ldp, step, add);
    for (; j < panels; j++) tile1(to + ((<usize>j) << 5), from, p + <usize>j * step, k, ldp, add);
  }
}

/** y[n, 0..8] (+)= x[n, k] p[k, 0..8] for any n. */
export function tileRows(
  y: usize,
  x: usize,
  p: usize,
  n: i32,
  k: i32,
  ldy: i32,
  ldx: i32,
  ldp: i32,
  add: bool,
): void {
  let t = 0;
  for (; t + 4 <= n; t += 4) {
    tile4(y + <usize>t * ldy * 4, x + <usize>t * ldx * 4, p, k, ldy, ldx, ldp, add);
  }
  for (; t < n; t++) tile1(y + <usize>t * ldy * 4, x + <usize>t * ldx * 4, p, k, ldp, add);
}
