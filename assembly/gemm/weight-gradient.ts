// What weights, biases and embedding tables get from dy and x. Sums run over tokens in order, from
// what is there: how the work is cut changes no bit.
import { Floats, sumTile } from './tile';

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
  const step = changetype<Floats<f32>>(0);
  sumTile(step, dw, x, dy, x + <usize>n * stepX, 4, true, 16, ldw, 4, false, stepX, stepY);
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
