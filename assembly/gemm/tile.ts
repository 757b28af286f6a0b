// Register tiles of f32 matrix products. Sums run over k in order, whatever the number of tokens, so
// that a token's result is the same bits in a block of 1 and in a block of 256.
import { madd } from '../simd';
import { loadFour } from './floats';

/** Steps of f32: T is what the panel holds (loadFour). What they add up is written as it is. */
@unmanaged
export class Floats<T> {
  /** Four numbers, or pairs, of a panel. */
  @inline
  load(p: usize): v128 {
    return loadFour<T>(p);
  }

  /** Bytes of them. */
  @inline
  size(): usize {
    return 4 * sizeof<T>();
  }

  /** sum + their products with x. */
  @inline
  add(sum: v128, x: v128, w: v128): v128 {
    return madd(sum, x, w);
  }

  /** What becomes of eight sums, of y and what is `half` bytes behind it; x behind what was multiplied. */
  @inline
  leave(y: usize, half: usize, low: v128, high: v128, x: usize): void {
    v128.store(y, low);
    v128.store(y + half, high);
  }
}

/**
 * The register tile: eight sums of each of `rows` rows, 1 to 4, a constant. y[r, 0..8] (+)= sum_k
 * x[r, k] p[r, k, 0..8], one step of k a pass (docs/log.md, 'Tiles unrolled by hand'). y, x and p
 * are those of the first row, the next one's lie nextY, nextX and nextP bytes behind; k steps by
 * stepX and stepP bytes until x is at `end`. y's second half is `half` bytes behind its first one.
 * Where nextX or nextP are 0, rows share their x or their panel. Where steps have begin(), that is what
 * sums of x begin with.
 */
@inline
export function sumTile<Step>(
  step: Step,
  y: usize,
  x: usize,
  p: usize,
  end: usize,
  rows: i32,
  add: bool,
  nextY: usize,
  half: usize,
  next: usize,
  ofPanels: bool,
  stepX: usize,
  stepP: usize,
): void {
  // what rows differ in, behind what they share
  const other = ofPanels ? p : x;
  const by = ofPanels ? stepP : stepX;
  let o1 = other + next;
  let o2 = o1 + next;
  let o3 = o2 + next;
  let a0 = f32x4.splat(0);
  let b0 = a0;
  let c0 = a0;
  let d0 = a0;
  if (isDefined(step.begin)) {
    a0 = step.begin(x);
    if (rows > 1) b0 = step.begin(o1);
    if (rows > 2) c0 = step.begin(o2);
    if (rows > 3) d0 = step.begin(o3);
  }
  let a1 = a0;
  let b1 = b0;
  let c1 = c0;
  let d1 = d0;
  if (add) {
    a0 = v128.load(y);
    a1 = v128.load(y + half);
    if (rows > 1) b0 = v128.load(y + nextY);
    if (rows > 1) b1 = v128.load(y + nextY + half);
    if (rows > 2) c0 = v128.load(y + 2 * nextY);
    if (rows > 2) c1 = v128.load(y + 2 * nextY + half);
    if (rows > 3) d0 = v128.load(y + 3 * nextY);
    if (rows > 3) d1 = v128.load(y + 3 * nextY + half);
  }
  for (; x < end; x += stepX, p += stepP) {
    let s = v128.load32_splat(x);
    let w0 = step.load(p);
    let w1 = step.load(p + step.size());
    a0 = step.add(a0, s, w0);
    a1 = step.add(a1, s, w1);
    if (rows > 1) {
      if (!ofPanels) s = v128.load32_splat(o1);
      else w0 = step.load(o1);
      if (ofPanels) w1 = step.load(o1 + step.size());
      b0 = step.add(b0, s, w0);
      b1 = step.add(b1, s, w1);
      o1 += by;
    }
    if (rows > 2) {
      if (!ofPanels) s = v128.load32_splat(o2);
      else w0 = step.load(o2);
      if (ofPanels) w1 = step.load(o2 + step.size());
      c0 = step.add(c0, s, w0);
      c1 = step.add(c1, s, w1);
      o2 += by;
    }
    if (rows > 3) {
      if (!ofPanels) s = v128.load32_splat(o3);
      else w0 = step.load(o3);
      if (ofPanels) w1 = step.load(o3 + step.size());
      d0 = step.add(d0, s, w0);
      d1 = step.add(d1, s, w1);
      o3 += by;
    }
  }
  step.leave(y, half, a0, a1, x);
  if (rows > 1) step.leave(y + nextY, half, b0, b1, o1);
  if (rows > 2) step.leave(y + 2 * nextY, half, c0, c1, o2);
  if (rows > 3) step.leave(y + 3 * nextY, half, d0, d1, o3);
}

/** Bytes of n numbers. */
@inline
function floats(n: i32): usize {
  return (<usize>n) << 2;
}

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
  const step = changetype<Floats<f32>>(0);
  const end = x + floats(k);
  sumTile(step, y, x, p, end, 4, add, floats(ldy), 16, floats(ldx), false, 4, floats(ldp));
}

/** The same for one token: y[0..8] = sum_k x[k] p[k, 0..8]. */
export function tile1(y: usize, x: usize, p: usize, k: i32, ldp: i32, add: bool): void {
  const step = changetype<Floats<f32>>(0);
  sumTile(step, y, x, p, x + floats(k), 1, add, 0, 16, 0, false, 4, floats(ldp));
}

/**
 * The same for one token and four panels, `next` bytes apart: eight sums at a time, where two would
 * wait for one another.
 */
function tile1x4(y: usize, x: usize, p: usize, k: i32, ldp: i32, next: usize, add: bool): void {
  const step = changetype<Floats<f32>>(0);
  sumTile(step, y, x, p, x + floats(k), 4, add, 32, 16, next, true, 4, floats(ldp));
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
