// f32 matrix products. Every weight type's gemm runs through gemmPanels: 8 rows of W are unpacked
// to an f32 panel that stays in L1, then multiplied with all tokens in 4 x 8 register tiles. Sums
// run over k in order, whatever the number of tokens, so that a token's result is the same bits in
// a block of 1 and in a block of 256.
import { loadBrainHalves, loadHalves, madd, sumLanes } from './simd';

/**
 * Elements of k unpacked at a time: 512 x 8 x 4 B = 16 KiB, a third of a 48 KiB L1; a multiple of
 * every block length.
 */
export const PANEL_K: i32 = 512;
const EDGE_BYTES: usize = 4 * 8 * 4;

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
  const end2 = x + ((<usize>(k & ~1)) << 2);
  while (x0 < end2) {
    let w0 = v128.load(p);
    let w1 = v128.load(p, 16);
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
    w0 = v128.load(p);
    w1 = v128.load(p, 16);
    s = v128.load32_splat(x0, 4);
    a0 = madd(a0, s, w0);
    a1 = madd(a1, s, w1);
    s = v128.load32_splat(x1, 4);
    b0 = madd(b0, s, w0);
    b1 = madd(b1, s, w1);
    s = v128.load32_splat(x2, 4);
    c0 = madd(c0, s, w0);
    c1 = madd(c1, s, w1);
    s = v128.load32_splat(x3, 4);
    d0 = madd(d0, s, w0);
    d1 = madd(d1, s, w1);
    p += stepP;
    x0 += 8;
    x1 += 8;
    x2 += 8;
    x3 += 8;
  }
  if (x0 < end) {
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

/** Bytes of scratch a gemm of any weight type needs: one panel and one edge tile. */
export function gemm_scratch(): i32 {
  return PANEL_K * 8 * 4 + <i32>EDGE_BYTES;
}

/**
 * Unpacks elements k0 .. k0 + count of a packed group of 4 rows to f32 [count, 4] ld 8; src is the
 * group's first byte.
 */
export type UnpackGroup = (dst: usize, src: usize, k0: i32, count: i32) => void;

/**
 * y[n, m] = sum_k x[n, k] W[m, k]; W packed in groups of 4 rows of 4 * row_bytes, rows padded to a
 * multiple of 8 (pack.ts). y f32 [n, m] ldy | x f32 [n, k] ldx | scratch gemm_scratch()
 */
export function gemmPanels(
  y: usize,
  x: usize,
  w: usize,
  scratch: usize,
  n: i32,
  m: i32,
  k: i32,
  ldy: i32,
  ldx: i32,
  row_bytes: usize,
  unpack: UnpackGroup,
): void {
  const edge = scratch + <usize>PANEL_K * 32;
  for (let row = 0; row < m; row += 8) {
    const group = w + <usize>row * row_bytes;
    const columns = min(8, m - row);
    for (let k0 = 0; k0 < k; k0 += PANEL_K) {
      const count = min(PANEL_K, k - k0);
      unpack(scratch, group, k0, count);
      unpack(scratch + 16, group + 4 * row_bytes, k0, count);
      const xk = x + ((<usize>k0) << 2);
      if (columns == 8) {
        tileRows(y + ((<usize>row) << 2), xk, scratch, n, count, ldy, ldx, 8, k0 > 0);
        continue;
      }
      for (let t = 0; t < n; t++) {
        const yt = y + ((<usize>t * ldy + row) << 2);
        if (k0 > 0) memory.copy(edge, yt, (<usize>columns) << 2);
        tile1(edge, xk + ((<usize>t * ldx) << 2), scratch, count, 8, k0 > 0);
        memory.copy(yt, edge, (<usize>columns) << 2);
      }
    }
  }
}

/** Rows that absSums() takes at a time. */
export const ABS_ROWS: i32 = 64;

/** Bytes of scratch for absSums() of any weight type. */
export function abs_sums_scratch(): i32 {
  return PANEL_K * 8 * 4 + ABS_ROWS * 8 * 4;
}

/**
 * out[t] += sum_m |sum_j x[t, j] W[m, k0 + j]| for j < d: the length (norm 1) of what a slice of
 * W's columns makes of x. out f32 [n] | x f32 [n, d] | w packed, `elements` to a block | scratch
 * abs_sums_scratch(); n <= ABS_ROWS, k0 mod elements + d <= PANEL_K
 */
export function absSums(
  out: usize,
  x: usize,
  w: usize,
  scratch: usize,
  n: i32,
  m: i32,
  k0: i32,
  d: i32,
  row_bytes: usize,
  elements: i32,
  unpack: UnpackGroup,
): void {
  const lead = k0 % elements;
  const count = ((lead + d + elements - 1) / elements) * elements;
  assert(n <= ABS_ROWS && count <= PANEL_K);
  const products = scratch + <usize>PANEL_K * 32;
  for (let row = 0; row < m; row += 8) {
    const group = w + <usize>row * row_bytes;
    unpack(scratch, group, k0 - lead, count);
    unpack(scratch + 16, group + 4 * row_bytes, k0 - lead, count);
    tileRows(products, x, scratch + ((<usize>lead) << 5), n, d, 8, d, 8, false);
    // rows past m are padding of zeros: they add nothing
    for (let t: usize = 0; t < <usize>n; t++) {
      const sums = f32x4.add(
        f32x4.abs(v128.load(products + (t << 5))),
        f32x4.abs(v128.load(products + (t << 5), 16)),
      );
      store<f32>(out + (t << 2), load<f32>(out + (t << 2)) + sumLanes(sums));
    }
  }
}

/**
 * y[i, 0..k] = W[ids[i], 0..k] for a packed W. y f32 [n, k] | ids i32 [n], each within W | scratch
 * gemm_scratch()
 */
export function gatherRows(
  y: usize,
  w: usize,
  ids: usize,
  scratch: usize,
  n: i32,
  k: i32,
  row_bytes: usize,
  unpack: UnpackGroup,
): void {
  for (let i = 0; i < n; i++) {
    const id = load<i32>(ids + ((<usize>i) << 2));
    const group = w + <usize>(id & ~3) * row_bytes;
    const lane = scratch + ((<usize>(id & 3)) << 2);
    for (let k0 = 0; k0 < k; k0 += PANEL_K) {
      const count = min(PANEL_K, k - k0);
      unpack(scratch, group, k0, count);
      const to = y + ((<usize>i * k + k0) << 2);
      for (let j: usize = 0; j < <usize>count; j++)
        store<f32>(to + (j << 2), load<f32>(lane + (j << 5)));
    }
  }
}

/** Writes up to four sums of a group of rows to y, `left` rows being legal. */
@inline
export function storeGroup(y: usize, sums: v128, left: i32): void {
  if (left >= 4) {
    v128.store(y, sums);
    return;
  }
  store<f32>(y, f32x4.extract_lane(sums, 0));
  if (left > 1) store<f32>(y, f32x4.extract_lane(sums, 1), 4);
  if (left > 2) store<f32>(y, f32x4.extract_lane(sums, 2), 8);
}

/** Four numbers at p as f32: T is f32, u16 for f16, i16 for bf16. */
@inline
function loadFour<T>(p: usize): v128 {
  if (isFloat<T>()) return v128.load(p);
  return isSigned<T>() ? loadBrainHalves(p) : loadHalves(p);
}

/**
 * y[m] = sum_k x[k] W[m, k] of weights that are plain numbers (T as in loadFour), k after k. Four
 * groups at a time: sums that do not wait for one another. y f32 [m] | x f32 [k] | w packed [m, k]
 */
export function gemvNumbers<T>(y: usize, x: usize, w: usize, m: i32, k: i32): void {
  const end = x + ((<usize>k) << 2);
  const step = 4 * sizeof<T>();
  const group = <usize>k * step;
  let row = 0;
  for (; row + 16 <= m; row += 16) {
    let a = f32x4.splat(0);
    let b = a;
    let c = a;
    let d = a;
    for (let p = x; p < end; p += 4, w += step) {
      const s = v128.load32_splat(p);
      a = madd(a, s, loadFour<T>(w));
      b = madd(b, s, loadFour<T>(w + group));
      c = madd(c, s, loadFour<T>(w + 2 * group));
      d = madd(d, s, loadFour<T>(w + 3 * group));
    }
    w += 3 * group;
    const to = y + ((<usize>row) << 2);
    v128.store(to, a);
    v128.store(to, b, 16);
    v128.store(to, c, 32);
    v128.store(to, d, 48);
  }
  for (; row < m; row += 4) {
    let sums = f32x4.splat(0);
    for (let p = x; p < end; p += 4, w += step)
      sums = madd(sums, v128.load32_splat(p), loadFour<T>(w));
    storeGroup(y + ((<usize>row) << 2), sums, m - row);
  }
}
