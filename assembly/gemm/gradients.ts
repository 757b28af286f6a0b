// The way back through products: dx from dy and W, and what W gets from dy and x. Every sum runs in
// order, over the rows of W or over tokens, from what is there to the end: neither how many tokens
// there are nor how the work is cut changes a bit.
import { madd } from '../simd';
import { weightType } from '../weights/table';
import { GROUP_ROWS } from '../weights/pack';
import { Unpack } from './floats';
import { tilePanels, tileRows } from './tile';

/** Columns of W that are unpacked at a time: whole blocks. */
const LEAST_COLUMNS: i32 = 64;
const MOST_COLUMNS: i32 = 256;
/** Panels of them: with 64 columns 256 rows, so that what these meet of 256 dy stays in L2. */
const PANELS_BYTES: i32 = 64 * 1024;
const UNPACKED_BYTES: i32 = MOST_COLUMNS * 32;
const EDGE_BYTES: i32 = 4 * 32;

/** Bytes of scratch for linear_gradient(): panels, a group unpacked, an edge. */
export function linear_gradient_scratch(): i32 {
  return PANELS_BYTES + UNPACKED_BYTES + EDGE_BYTES;
}

/**
 * Turns a group of rows, f32 [columns, 4] ld 8, into 4 rows of panels of 8 columns, `step` bytes
 * apart; up to 3 columns too many.
 */
function turnGroup(panels: usize, group: usize, columns: i32, step: usize): void {
  for (let j = 0; j < columns; j += 4, group += 128) {
    const a = v128.load(group);
    const b = v128.load(group, 32);
    const c = v128.load(group, 64);
    const d = v128.load(group, 96);
    const ab = i32x4.shuffle(a, b, 0, 4, 1, 5);
    const AB = i32x4.shuffle(a, b, 2, 6, 3, 7);
    const cd = i32x4.shuffle(c, d, 0, 4, 1, 5);
    const CD = i32x4.shuffle(c, d, 2, 6, 3, 7);
    const to = panels + <usize>(j >> 3) * step + (((<usize>j) & 4) << 2);
    v128.store(to, i64x2.shuffle(ab, cd, 0, 2));
    v128.store(to, i64x2.shuffle(ab, cd, 1, 3), 32);
    v128.store(to, i64x2.shuffle(AB, CD, 0, 2), 64);
    v128.store(to, i64x2.shuffle(AB, CD, 1, 3), 96);
  }
}

/** tileRows() for fewer than 8 columns of y, four tokens at a time in `edge`. */
function tileEdge(
  y: usize,
  x: usize,
  p: usize,
  edge: usize,
  n: i32,
  columns: i32,
  k: i32,
  ldy: i32,
  ldx: i32,
  add: bool,
): void {
  const bytes = (<usize>columns) << 2;
  for (let t = 0; t < n; t += 4) {
    const count = min(4, n - t);
    const to = y + ((<usize>t * ldy) << 2);
    if (add)
      for (let i: usize = 0; i < <usize>count; i++)
        memory.copy(edge + (i << 5), to + ((i * ldy) << 2), bytes);
    tileRows(edge, x + ((<usize>t * ldx) << 2), p, count, k, 8, ldx, 8, add);
    for (let i: usize = 0; i < <usize>count; i++)
      memory.copy(to + ((i * ldy) << 2), edge + (i << 5), bytes);
  }
}

/**
 * dx[n, k] (+)= sum_m dy[n, m] W[m, k], W any columns, whole blocks, of a packed weight.
 * dx f32 [n, k] lddx | dy f32 [n, m] lddy | w packed, rows of row_bytes | scratch
 * linear_gradient_scratch()
 */
export function linear_gradient(
  dx: usize,
  dy: usize,
  w: usize,
  scratch: usize,
  n: i32,
  m: i32,
  k: i32,
  lddx: i32,
  lddy: i32,
  row_bytes: usize,
  type: i32,
  add: bool,
): void {
  const t = weightType(type);
  const unpack = changetype<Unpack>(t.unpack);
  const most = max(LEAST_COLUMNS, t.elements);
  assert(most <= MOST_COLUMNS);
  const mostRows = PANELS_BYTES / 4 / most;
  const step = (<usize>mostRows) << 5;
  const unpacked = scratch + <usize>PANELS_BYTES;
  const edge = unpacked + <usize>UNPACKED_BYTES;
  for (let j = 0; j < k; j += most) {
    const columns = min(most, k - j);
    const blocks = w + 4 * t.rowBytes(j);
    let row = 0;
    do {
      const rows = min(mostRows, m - row);
      for (let r = 0; r < rows; r += GROUP_ROWS) {
        unpack(unpacked, blocks + <usize>(row + r) * row_bytes, 0, columns);
        turnGroup(scratch + ((<usize>r) << 5), unpacked, columns, step);
      }
      const to = dx + ((<usize>j) << 2);
      const from = dy + ((<usize>row) << 2);
      const sum = add || row > 0;
      const panels = columns >> 3;
      if (n < 4) tilePanels(to, from, scratch, n, panels, step, rows, lddx, lddy, 8, sum);
      else
        for (let c: usize = 0; c < <usize>panels; c++)
          tileRows(to + (c << 5), from, scratch + c * step, n, rows, lddx, lddy, 8, sum);
      if (columns & 7) {
        const last = scratch + <usize>panels * step;
        const rest = columns & 7;
        tileEdge(to + ((<usize>panels) << 5), from, last, edge, n, rest, rows, lddx, lddy, sum);
      }
      row += mostRows;
    } while (row < m);
  }
}

/** Tokens, and columns of x, that are laid out at a time: 128 KiB of x stay in L2, 8 of dy in L1. */
const TOKENS: i32 = 256;
const COLUMNS: i32 = 128;
const X_BYTES: i32 = COLUMNS * TOKENS * 4;
const DY_BYTES: i32 = TOKENS * 32;
/** Rows, or columns, from which on laying out the other operand is worth it. */
const WORTH: i32 = 24;

/** Bytes of scratch for weight_gradient(): x, dy, an edge. */
export function weight_gradient_scratch(): i32 {
  return X_BYTES + DY_BYTES + 128;
}

/**
 * dw[0..8, 0..4] += sum_t dy[t, 0..8] x[t, 0..4]. dw: two groups of rows, f32 [4 columns][4 rows]
 * each, ldw bytes apart | dy f32 [n, 8], x f32 [n, 4], rows stepY and stepX bytes apart
 */
function outerTile(
  dw: usize,
  dy: usize,
  x: usize,
  n: i32,
  ldw: usize,
  stepY: usize,
  stepX: usize,
): void {
  const low = dw + ldw;
  let a0 = v128.load(dw);
  let a1 = v128.load(low);
  let b0 = v128.load(dw, 16);
  let b1 = v128.load(low, 16);
  let c0 = v128.load(dw, 32);
  let c1 = v128.load(low, 32);
  let d0 = v128.load(dw, 48);
  let d1 = v128.load(low, 48);
  for (let t = 0; t < n; t++, dy += stepY, x += stepX) {
    const y0 = v128.load(dy);
    const y1 = v128.load(dy, 16);
    let s = v128.load32_splat(x);
    a0 = madd(a0, s, y0);
    a1 = madd(a1, s, y1);
    s = v128.load32_splat(x, 4);
    b0 = madd(b0, s, y0);
    b1 = madd(b1, s, y1);
    s = v128.load32_splat(x, 8);
    c0 = madd(c0, s, y0);
    c1 = madd(c1, s, y1);
    s = v128.load32_splat(x, 12);
    d0 = madd(d0, s, y0);
    d1 = madd(d1, s, y1);
  }
  v128.store(dw, a0);
  v128.store(low, a1);
  v128.store(dw, b0, 16);
  v128.store(low, b1, 16);
  v128.store(dw, c0, 32);
  v128.store(low, c1, 32);
  v128.store(dw, d0, 48);
  v128.store(low, d1, 48);
}

/** The same for fewer than 4 columns, in `edge`: 128 bytes. */
function outerEdge(
  dw: usize,
  dy: usize,
  x: usize,
  edge: usize,
  n: i32,
  columns: i32,
  ldw: usize,
  stepY: usize,
): void {
  const bytes = (<usize>columns) << 4;
  memory.fill(edge, 0, 128);
  memory.copy(edge, dw, bytes);
  memory.copy(edge + 64, dw + ldw, bytes);
  outerTile(edge, dy, x, n, 64, stepY, 16);
  memory.copy(dw, edge, bytes);
  memory.copy(dw + ldw, edge + 64, bytes);
}

/** x [n, columns] ldx bytes as panels [n, 4], `step` bytes apart; zeros behind the last column. */
function layColumns(to: usize, x: usize, n: i32, columns: i32, ldx: usize, step: usize): void {
  let j = 0;
  // a line of x at a time
  for (; j + 16 <= columns; j += 16, to += 4 * step, x += 64)
    for (let t: usize = 0, from = x; t < <usize>n; t++, from += ldx) {
      const at = to + (t << 4);
      v128.store(at, v128.load(from));
      v128.store(at + step, v128.load(from, 16));
      v128.store(at + 2 * step, v128.load(from, 32));
      v128.store(at + 3 * step, v128.load(from, 48));
    }
  for (; j < columns; j += 4, to += step, x += 16) {
    const count = min(4, columns - j);
    for (let t: usize = 0, from = x; t < <usize>n; t++, from += ldx)
      v128.store(to + (t << 4), loadSome(from, count));
  }
}

/** Up to 4 numbers, zeros behind them. */
@inline
function loadSome(p: usize, count: i32): v128 {
  if (count >= 4) return v128.load(p);
  let v = count > 0 ? v128.load32_zero(p) : f32x4.splat(0);
  if (count > 1) v = f32x4.replace_lane(v, 1, load<f32>(p, 4));
  if (count > 2) v = f32x4.replace_lane(v, 2, load<f32>(p, 8));
  return v;
}

/** dy [n, rows] lddy bytes as [n, 8]; zeros behind the last row. */
function layRows(to: usize, dy: usize, n: i32, rows: i32, lddy: usize): void {
  for (let t = 0; t < n; t++, to += 32, dy += lddy) {
    v128.store(to, loadSome(dy, rows));
    v128.store(to, loadSome(dy + 16, rows - 4), 16);
  }
}

/**
 * dW[m, k] += sum_t dy[t, m] x[t, k], dW any rows and columns, from a multiple of 8 rows on, of a
 * packed f32 weight. dw f32, groups of [k][4 rows] lddw elements apart | dy f32 [n, m] lddy | x f32
 * [n, k] ldx | scratch weight_gradient_scratch()
 */
export function weight_gradient(
  dw: usize,
  dy: usize,
  x: usize,
  scratch: usize,
  n: i32,
  m: i32,
  k: i32,
  lddw: i32,
  lddy: i32,
  ldx: i32,
): void {
  const layY = scratch + <usize>X_BYTES;
  const edge = layY + <usize>DY_BYTES;
  const ldw = (<usize>lddw) << 2;
  const ldy = (<usize>lddy) << 2;
  const ld = (<usize>ldx) << 2;
  for (let t = 0; t < n; t += TOKENS) {
    const count = min(TOKENS, n - t);
    const step = (<usize>count) << 4;
    for (let j = 0; j < k; j += COLUMNS) {
      const columns = min(COLUMNS, k - j);
      let from = x + <usize>t * ld + ((<usize>j) << 2);
      // panels of x: laid out, or as they lie
      const isLaid = m >= WORTH || (columns & 3) != 0;
      if (isLaid) {
        layColumns(scratch, from, count, columns, ld, step);
        from = scratch;
      }
      const next: usize = isLaid ? step : 16;
      const stepX: usize = isLaid ? 16 : ld;
      for (let row = 0; row < m; row += 8) {
        let back = dy + <usize>t * ldy + ((<usize>row) << 2);
        let stepY = ldy;
        if (columns >= WORTH || m - row < 8) {
          layRows(layY, back, count, min(8, m - row), ldy);
          back = layY;
          stepY = 32;
        }
        let to = dw + ((<usize>row * lddw) << 2) + ((<usize>j) << 4);
        let q = from;
        let c = 0;
        for (; c + 4 <= columns; c += 4, q += next, to += 64)
          outerTile(to, back, q, count, ldw << 2, stepY, stepX);
        if (c < columns) outerEdge(to, back, q, edge, count, columns - c, ldw << 2, stepY);
      }
    }
  }
}

/** db[m] += sum_t dy[t, m]. db f32 [m] | dy f32 [n, m] lddy */
export function bias_gradient(db: usize, dy: usize, n: i32, m: i32, lddy: i32): void {
  const step = (<usize>lddy) << 2;
  let j = 0;
  for (; j + 4 <= m; j += 4, db += 16, dy += 16) {
    let sum = v128.load(db);
    for (let t = 0, p = dy; t < n; t++, p += step) sum = f32x4.add(sum, v128.load(p));
    v128.store(db, sum);
  }
  for (; j < m; j++, db += 4, dy += 4) {
    let sum = load<f32>(db);
    for (let t = 0, p = dy; t < n; t++, p += step) sum += load<f32>(p);
    store<f32>(db, sum);
  }
}

/**
 * dW[ids[i], 0..k] += dy[i], dW any columns of a packed f32 weight. dw as weight_gradient() | dy f32
 * [n, k] lddy | ids i32 [n]
 */
export function embedding_gradient(
  dw: usize,
  dy: usize,
  ids: usize,
  n: i32,
  k: i32,
  lddw: i32,
  lddy: i32,
): void {
  for (let i = 0; i < n; i++) {
    const id = load<i32>(ids + ((<usize>i) << 2));
    const to = dw + ((<usize>(id & ~3) * lddw) << 2) + ((<usize>(id & 3)) << 2);
    const from = dy + ((<usize>i * lddy) << 2);
    for (let j: usize = 0; j < <usize>k; j++) {
      const at = to + (j << 4);
      store<f32>(at, load<f32>(at) + load<f32>(from + (j << 2)));
    }
  }
}
