// Causal attention of the tokens of one sequence, one query head at a time, and the way back
// through it (docs/algorithms.md, 'Attention of a batch'). Tiles of TILE queries meet tiles of TILE
// keys, both counted from the sequence's first token; no [n, n] exists. Heads of d numbers lie in
// rows of many: ldq numbers apart (queries), ldk (keys and values). `window` is how many tokens one
// sees, itself included; no less than n: all before it.
import { packKeys, padded } from './attention';
import { tilePanels } from './gemm/tile';
import { expEach, log1 } from './math';
import { dot } from './row-norms';
import { scale, storeColumns } from './simd';
import { hideBefore, noScores, takeScores } from './softmax';

/** Queries, and keys, of a tile: an inner loop is as long, and a tile's panels stay in L1. */
export const DENSE_TILE: i32 = 64;
const TILE: i32 = DENSE_TILE;

/** Bytes of n numbers. */
@inline
function floats(n: i32): usize {
  return (<usize>n) << 2;
}

/** to[j] = x[j] * by. to, x f32 [d] */
@inline
function scaleTo(to: usize, x: usize, by: f32, d: i32): void {
  const lanes = floats(d & ~3);
  let j: usize = 0;
  for (; j < lanes; j += 16) v128.store(to + j, f32x4.mul(v128.load(x + j), f32x4.splat(by)));
  for (; j < floats(d); j += 4) store<f32>(to + j, load<f32>(x + j) * by);
}

/** Rows of one head together, times `by`: to f32 [n, padded(d)], zeros behind d | x f32 [n, d] ld */
function gather(to: usize, x: usize, by: f32, n: i32, d: i32, ld: i32): void {
  const dp = padded(d);
  for (let i = 0; i < n; i++, to += floats(dp), x += floats(ld)) {
    if (dp != d) memory.fill(to + floats(d), 0, floats(dp - d));
    scaleTo(to, x, by, d);
  }
}

/** Bytes of scratch for dense_attention(). */
export function dense_attention_scratch(d: i32): i32 {
  return (TILE * (d + 3 * padded(d)) + 4 * TILE + 2 * TILE) * 4;
}

/**
 * out[t] = sum_i softmax_i(q[t] . k[i] / sqrt(d)) v[i], i <= first + t, of n <= TILE queries, the
 * first of which is the sequence's token `first`, a multiple of TILE; sums[t] = log of sum_i
 * exp(score). out, q f32 [n, d] ldq | sums f32 [n] lds | k, v f32 [first + n, d] ldk | scratch
 * dense_attention_scratch()
 */
export function dense_attention(
  out: usize,
  sums: usize,
  q: usize,
  k: usize,
  v: usize,
  scratch: usize,
  first: i32,
  n: i32,
  d: i32,
  ldq: i32,
  lds: i32,
  ldk: i32,
  window: i32,
): void {
  assert(n <= TILE && first % TILE == 0);
  const dp = padded(d);
  const queries = scratch;
  const outputs = queries + floats(TILE * dp);
  const values = outputs + floats(TILE * dp);
  const panels = values + floats(TILE * dp);
  const s = panels + floats(TILE * d);
  const peaks = s + floats(4 * TILE);
  const masses = peaks + floats(TILE);

  gather(queries, q, <f32>1 / sqrt<f32>(<f32>d), n, d, ldq);
  memory.fill(outputs, 0, floats(n * dp));
  noScores(peaks, masses, n);
  const end = first + n;
  for (let i0 = max(0, first - window + 1) & ~(TILE - 1); i0 < end; i0 += TILE) {
    const keys = min(TILE, end - i0);
    packKeys(panels, k + floats(i0 * ldk), keys, d, ldk);
    gather(values, v + floats(i0 * ldk), 1, keys, d, ldk);
    for (let r = 0; r < n; r += 4) {
      const rows = min(4, n - r);
      // keys of the tile that the last of these queries sees
      const shown = min(keys, first + r + rows - i0);
      if (shown <= 0 || first + r - window + 1 >= i0 + keys) continue;
      const from = queries + floats(r * dp);
      tilePanels(s, from, panels, rows, (shown + 7) >> 3, floats(8 * d), d, TILE, dp, 8, false);
      for (let i = 0; i < rows; i++) {
        const row = s + floats(i * TILE);
        const own = first + r + i - i0;
        const visible = min(keys, own + 1);
        const hidden = own - window + 1;
        if (visible <= 0 || hidden >= visible) {
          memory.fill(row, 0, floats(TILE));
          continue;
        }
        hideBefore(row, hidden);
        const decay = takeScores(
          row,
          visible,
          shown,
          peaks + floats(r + i),
          masses + floats(r + i),
        );
        if (decay != 1) scale(outputs + floats((r + i) * dp), decay, floats(dp));
      }
      tilePanels(outputs + floats(r * dp), s, values, rows, dp >> 3, 32, shown, dp, TILE, dp, true);
    }
  }
  for (let r = 0; r < n; r++) {
    const mass = load<f32>(masses + floats(r));
    scaleTo(out + floats(r * ldq), outputs + floats(r * dp), <f32>1 / mass, d);
    store<f32>(sums + floats(r * lds), load<f32>(peaks + floats(r)) + <f32>log1(mass));
  }
}

/** Bytes of scratch for dense_attention_backward(). */
export function dense_attention_backward_scratch(d: i32): i32 {
  return (TILE * (2 * d + 4 * padded(d)) + 3 * TILE * TILE + 2 * TILE) * 4;
}

/**
 * The way back: dq written, dk and dv written as the share of this query head, padded(d) numbers a
 * row; dots[t] = dout[t] . out[t]. dq, dout, out, q f32 [n, d] ldq | dk, dv f32 [n, padded(d)] |
 * dots, sums f32 [n] lds | k, v f32 [n, d] ldk | scratch dense_attention_backward_scratch()
 */
export function dense_attention_backward(
  dq: usize,
  dk: usize,
  dv: usize,
  dots: usize,
  dout: usize,
  out: usize,
  sums: usize,
  q: usize,
  k: usize,
  v: usize,
  scratch: usize,
  n: i32,
  d: i32,
  ldq: i32,
  lds: i32,
  ldk: i32,
  window: i32,
): void {
  const dp = padded(d);
  const by = <f32>1 / sqrt<f32>(<f32>d);
  const queries = scratch;
  const douts = queries + floats(TILE * dp);
  const keys = douts + floats(TILE * dp);
  const dqueries = keys + floats(TILE * dp);
  const queryPanels = dqueries + floats(TILE * dp);
  const doutPanels = queryPanels + floats(TILE * d);
  const p = doutPanels + floats(TILE * d);
  const ds = p + floats(TILE * TILE);
  const turned = ds + floats(TILE * TILE);
  const bases = turned + floats(TILE * TILE);
  const along = bases + floats(TILE);
  window = min(window, n);

  for (let t0 = 0; t0 < n; t0 += TILE) {
    const count = min(TILE, n - t0);
    const at = floats(t0 * ldq);
    gather(queries, q + at, by, count, d, ldq);
    gather(douts, dout + at, 1, count, d, ldq);
    packKeys(queryPanels, queries, count, d, dp);
    packKeys(doutPanels, douts, count, d, dp);
    memory.fill(bases, 0, floats(2 * TILE));
    for (let r = 0; r < count; r++) {
      const product = dot(douts + floats(r * dp), out + at + floats(r * ldq), d);
      store<f32>(along + floats(r), product);
      store<f32>(dots + floats((t0 + r) * lds), product);
      store<f32>(bases + floats(r), load<f32>(sums + floats((t0 + r) * lds)));
    }
    memory.fill(dqueries, 0, floats(count * dp));
    for (let i0 = max(0, t0 - window + 1) & ~(TILE - 1); i0 < t0 + count; i0 += TILE) {
      const m = min(TILE, t0 + count - i0);
      const shift = i0 - t0;
      const tile = floats(i0 * ldk);
      gather(keys, k + tile, 1, m, d, ldk);
      products(p, keys, queryPanels, m, count, d, dp, shift, window);
      products(ds, v + tile, doutPanels, m, count, d, ldk, shift, window);
      weigh(p, ds, bases, along, m, count, shift, window);
      // dv = P^T dout, dk = dS^T q: a tile of keys is met by its own queries first
      addKeys(dv + floats(i0 * dp), p, douts, m, count, dp, shift, window, shift != 0);
      addKeys(dk + floats(i0 * dp), ds, queries, m, count, dp, shift, window, shift != 0);
      transpose(turned, ds, m);
      addQueries(dqueries, turned, keys, m, count, dp, shift, window);
    }
    for (let r = 0; r < count; r++)
      scaleTo(dq + at + floats(r * ldq), dqueries + floats(r * dp), by, d);
  }
}

// A tile of the way back has a row a key, a column a query: both products that make it then read
// keys and values as they are, and P and dS are what dv and dk want. `shift` is the number of the
// tile's first key less that of its first query.

/** The first query that sees key j, as far as the tile goes; a multiple of 8 (a panel). */
@inline
function firstQuery(j: i32, shift: i32): i32 {
  return max(0, shift + j) & ~7;
}

/** Behind the last query that sees key j. */
@inline
function endQuery(j: i32, count: i32, shift: i32, window: i32): i32 {
  return min(count, shift + j + window);
}

/** Behind the last query that sees one of keys j .. j + 4, as far as there are m; likewise. */
@inline
function endPanel(j: i32, m: i32, count: i32, shift: i32, window: i32): i32 {
  return (endQuery(min(j + 4, m) - 1, count, shift, window) + 7) & ~7;
}

/** s[j, t] = x[j] . panels[t] where t sees key j, or one nearby. s f32 [m, TILE] | x f32 [m, d] ldx */
function products(
  s: usize,
  x: usize,
  panels: usize,
  m: i32,
  count: i32,
  d: i32,
  ldx: i32,
  shift: i32,
  window: i32,
): void {
  for (let j = 0; j < m; j += 4) {
    const from = firstQuery(j, shift);
    const n = (endPanel(j, m, count, shift, window) - from) >> 3;
    if (n <= 0) continue;
    const to = s + floats(j * TILE + from);
    const panel = panels + floats(from * d);
    const rows = min(4, m - j);
    tilePanels(to, x + floats(j * ldx), panel, rows, n, floats(8 * d), d, TILE, ldx, 8, false);
  }
}

/**
 * p[j, t] = exp(p[j, t] - base[t]), 0 where t does not see j; ds[j, t] = p[j, t] (ds[j, t] -
 * along[t]). p, ds f32 [m, TILE]
 */
function weigh(
  p: usize,
  ds: usize,
  bases: usize,
  along: usize,
  m: i32,
  count: i32,
  shift: i32,
  window: i32,
): void {
  for (let j = 0; j < m; j++, p += floats(TILE), ds += floats(TILE)) {
    const group = j & ~3;
    const from = firstQuery(group, shift);
    const end = endPanel(group, m, count, shift, window);
    if (from >= end) continue;
    expEach(p + floats(from), bases + floats(from), end - from);
    for (let t = from; t < min(end, shift + j); t++) store<f32>(p + floats(t), 0);
    for (let t = max(from, endQuery(j, count, shift, window)); t < end; t++)
      store<f32>(p + floats(t), 0);
    for (let t = floats(from); t < floats(end); t += 16) {
      const less = f32x4.sub(v128.load(ds + t), v128.load(along + t));
      v128.store(ds + t, f32x4.mul(less, v128.load(p + t)));
    }
  }
}

/** y[j] (+)= sum_t x[j, t] rows[t] over the queries that see key j. y, rows f32 [*, dp] */
function addKeys(
  y: usize,
  x: usize,
  rows: usize,
  m: i32,
  count: i32,
  dp: i32,
  shift: i32,
  window: i32,
  add: bool,
): void {
  for (let j = 0; j < m; j += 4) {
    const n = min(4, m - j);
    const from = firstQuery(j, shift);
    const sum = endQuery(j + n - 1, count, shift, window) - from;
    if (sum <= 0) continue;
    const weights = x + floats(j * TILE + from);
    const panel = rows + floats(from * dp);
    tilePanels(y + floats(j * dp), weights, panel, n, dp >> 3, 32, sum, dp, TILE, dp, add);
  }
}

/** y[t] += sum_j x[t, j] k[j] over the keys that query t sees. y, k f32 [*, dp] | x f32 [*, TILE] */
function addQueries(
  y: usize,
  x: usize,
  k: usize,
  m: i32,
  count: i32,
  dp: i32,
  shift: i32,
  window: i32,
): void {
  for (let t = 0; t < count; t += 4) {
    const n = min(4, count - t);
    const from = max(0, t - shift - window + 1);
    const sum = min(m, t + n - shift) - from;
    if (sum <= 0) continue;
    const weights = x + floats(t * TILE + from);
    tilePanels(
      y + floats(t * dp),
      weights,
      k + floats(from * dp),
      n,
      dp >> 3,
      32,
      sum,
      dp,
      TILE,
      dp,
      true,
    );
  }
}

/** to[t, j] = x[j, t] for m rows, rounded up to 4. to, x f32 [TILE, TILE] */
function transpose(to: usize, x: usize, m: i32): void {
  const ld = floats(TILE);
  for (let j = 0; j < m; j += 4) {
    for (let t = 0; t < TILE; t += 4) {
      const from = x + floats(j * TILE + t);
      const a = v128.load(from);
      const b = v128.load(from + ld);
      const c = v128.load(from + 2 * ld);
      storeColumns(to + floats(t * TILE + j), ld, a, b, c, v128.load(from + 3 * ld));
    }
  }
}

/**
 * dx[t] = sum over G query heads of their shares. dx f32 [n, d] ld | shares f32 [G][n, padded(d)],
 * `apart` numbers from one to the next
 */
export function sum_shares(
  dx: usize,
  shares: usize,
  n: i32,
  G: i32,
  d: i32,
  ld: i32,
  apart: i32,
): void {
  const lanes = floats(d & ~3);
  for (let t = 0; t < n; t++, dx += floats(ld), shares += floats(padded(d))) {
    let j: usize = 0;
    for (; j < lanes; j += 16) {
      let sum = v128.load(shares + j);
      for (let g = 1; g < G; g++) sum = f32x4.add(sum, v128.load(shares + floats(g * apart) + j));
      v128.store(dx + j, sum);
    }
    for (; j < floats(d); j += 4) {
      let sum = load<f32>(shares + j);
      for (let g = 1; g < G; g++) sum += load<f32>(shares + floats(g * apart) + j);
      store<f32>(dx + j, sum);
    }
  }
}
