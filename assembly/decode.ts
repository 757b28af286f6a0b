// Attention of one token's queries: too few to pack keys for. Rows are read where they lie, up to
// four query heads of a kv head take each of them together, and sums are made in the order in which
// a block's are (attention.ts): the same bits.
import { loadFour } from './gemm/floats';
import { Floats, sumTile } from './gemm/tile';
import { capRow } from './math';
import { gatherQueries } from './queries';
import { finishOutputs, isPlain, rowBytes, TILE, tileOf, valueType } from './rows/table';
import { column, fetch, madd, scale } from './simd';
import { hideBefore, noScores, massOf, ROW, takeFour } from './softmax';

/** Whether attention of T tokens with heads of d goes this way. */
@inline
export function isDecode(T: i32, d: i32): bool {
  return T == 1 && (d & 7) == 0;
}

/**
 * Scores of R (1 to 4, a constant) queries with n rows: s f32 [R, TILE], n rounded up to 8 | q f32
 * [R, d] | rows [n, d], or 8 where n is less. A lane is a row: four numbers of eight rows are
 * turned round in registers. Meanwhile the next eight rows, `next` bytes on, and as many of
 * `beside`, the rows of values, are fetched, a line or two a step. Each query's products are written
 * out: a helper that adds four to one sum makes the queries' sums take turns, and f16 rows with 3
 * and 4 queries are 1.04 times as slow (relaxed).
 */
@inline
function scoresOf<T>(
  s: usize,
  q: usize,
  rows: usize,
  n: i32,
  d: usize,
  R: i32,
  next: usize,
  beside: usize,
): void {
  const bytes = d * sizeof<T>();
  const wide = d << 2;
  for (let i = 0; i < n; i += 8) {
    // the last eight overlap those before
    const first = <usize>max(0, min(i, n - 8));
    const from = rows + first * bytes;
    let ahead = from + next;
    let values = beside + first * bytes;
    let a0 = f32x4.splat(0);
    let a1 = a0;
    let a2 = a0;
    let a3 = a0;
    let b0 = a0;
    let b1 = a0;
    let b2 = a0;
    let b3 = a0;
    for (let j: usize = 0; j < d; j += 4) {
      fetch(ahead);
      fetch(values);
      if (sizeof<T>() == 4) fetch(ahead + 64);
      if (sizeof<T>() == 4) fetch(values + 64);
      ahead += 32 * sizeof<T>();
      values += 32 * sizeof<T>();
      const at = j * sizeof<T>();
      let row = from;
      let r0 = loadFour<T>(row + at);
      let r1 = loadFour<T>((row += bytes) + at);
      let r2 = loadFour<T>((row += bytes) + at);
      let r3 = loadFour<T>((row += bytes) + at);
      const k0 = column(0, r0, r1, r2, r3);
      const k1 = column(1, r0, r1, r2, r3);
      const k2 = column(2, r0, r1, r2, r3);
      const k3 = column(3, r0, r1, r2, r3);
      r0 = loadFour<T>((row += bytes) + at);
      r1 = loadFour<T>((row += bytes) + at);
      r2 = loadFour<T>((row += bytes) + at);
      r3 = loadFour<T>((row += bytes) + at);
      const l0 = column(0, r0, r1, r2, r3);
      const l1 = column(1, r0, r1, r2, r3);
      const l2 = column(2, r0, r1, r2, r3);
      const l3 = column(3, r0, r1, r2, r3);
      let x = q + (j << 2);
      let y0 = v128.load32_splat(x);
      a0 = madd(a0, y0, k0);
      b0 = madd(b0, y0, l0);
      y0 = v128.load32_splat(x, 4);
      a0 = madd(a0, y0, k1);
      b0 = madd(b0, y0, l1);
      y0 = v128.load32_splat(x, 8);
      a0 = madd(a0, y0, k2);
      b0 = madd(b0, y0, l2);
      y0 = v128.load32_splat(x, 12);
      a0 = madd(a0, y0, k3);
      b0 = madd(b0, y0, l3);
      if (R > 1) {
        x += wide;
        let y1 = v128.load32_splat(x);
        a1 = madd(a1, y1, k0);
        b1 = madd(b1, y1, l0);
        y1 = v128.load32_splat(x, 4);
        a1 = madd(a1, y1, k1);
        b1 = madd(b1, y1, l1);
        y1 = v128.load32_splat(x, 8);
        a1 = madd(a1, y1, k2);
        b1 = madd(b1, y1, l2);
        y1 = v128.load32_splat(x, 12);
        a1 = madd(a1, y1, k3);
        b1 = madd(b1, y1, l3);
      }
      if (R > 2) {
        x += wide;
        let y2 = v128.load32_splat(x);
        a2 = madd(a2, y2, k0);
        b2 = madd(b2, y2, l0);
        y2 = v128.load32_splat(x, 4);
        a2 = madd(a2, y2, k1);
        b2 = madd(b2, y2, l1);
        y2 = v128.load32_splat(x, 8);
        a2 = madd(a2, y2, k2);
        b2 = madd(b2, y2, l2);
        y2 = v128.load32_splat(x, 12);
        a2 = madd(a2, y2, k3);
        b2 = madd(b2, y2, l3);
      }
      if (R > 3) {
        x += wide;
        let y3 = v128.load32_splat(x);
        a3 = madd(a3, y3, k0);
        b3 = madd(b3, y3, l0);
        y3 = v128.load32_splat(x, 4);
        a3 = madd(a3, y3, k1);
        b3 = madd(b3, y3, l1);
        y3 = v128.load32_splat(x, 8);
        a3 = madd(a3, y3, k2);
        b3 = madd(b3, y3, l2);
        y3 = v128.load32_splat(x, 12);
        a3 = madd(a3, y3, k3);
        b3 = madd(b3, y3, l3);
      }
    }
    const to = s + (first << 2);
    v128.store(to, a0);
    v128.store(to, b0, 16);
    if (R > 1) {
      v128.store(to + ROW, a1);
      v128.store(to + ROW, b1, 16);
    }
    if (R > 2) {
      v128.store(to + 2 * ROW, a2);
      v128.store(to + 2 * ROW, b2, 16);
    }
    if (R > 3) {
      v128.store(to + 3 * ROW, a3);
      v128.store(to + 3 * ROW, b3, 16);
    }
  }
}

/** Scores of up to four queries. */
function scores<T>(
  s: usize,
  q: usize,
  rows: usize,
  n: i32,
  d: usize,
  R: i32,
  next: usize,
  beside: usize,
): void {
  if (R == 4) scoresOf<T>(s, q, rows, n, d, 4, next, beside);
  else if (R == 3) scoresOf<T>(s, q, rows, n, d, 3, next, beside);
  else if (R == 2) scoresOf<T>(s, q, rows, n, d, 2, next, beside);
  else scoresOf<T>(s, q, rows, n, d, 1, next, beside);
}

/**
 * sums[r] += sum_i p[r, i] v[i] for R (1 to 4, a constant) queries r. sums f32 [R, d] | p f32 [R,
 * TILE] | v rows [n, d]
 */
@inline
function mixOf<T>(sums: usize, p: usize, v: usize, n: i32, d: usize, R: i32): void {
  const bytes = d * sizeof<T>();
  const wide = d << 2;
  const end = p + ((<usize>n) << 2);
  const step = changetype<Floats<T>>(0);
  for (let j: usize = 0; j < d; j += 8, sums += 32, v += 2 * step.size())
    sumTile(step, sums, p, v, end, R, true, wide, 16, ROW, false, 4, bytes);
}

/** The same for up to four queries. No `else`: arms that end alike become one, with R unknown. */
function mix<T>(sums: usize, p: usize, v: usize, n: i32, d: usize, R: i32): void {
  if (R == 4) mixOf<T>(sums, p, v, n, d, 4);
  if (R == 3) mixOf<T>(sums, p, v, n, d, 3);
  if (R == 2) mixOf<T>(sums, p, v, n, d, 2);
  if (R == 1) mixOf<T>(sums, p, v, n, d, 1);
}

/**
 * out[g] = sum_i softmax_i(q[g] . k[i] / sqrt(d)) v[i] over rows begin .. n.
 * out f32 [G, d] | q f32 [G, d] | k, v rows [n, d] | rest of loadRows; d % 8 == 0 |
 * scratch attention_scratch(1, G, d) | cap, sinks of attention()
 */
export function attendOne(
  out: usize,
  q: usize,
  k: usize,
  v: usize,
  rest: usize,
  G: i32,
  begin: i32,
  n: i32,
  d: i32,
  type: i32,
  scratch: usize,
  cap: f32,
  sinks: usize,
): void {
  const ofValues = valueType(type);
  const row = (<usize>d) << 2;
  const all = <usize>G * row;
  const G4 = (G + 3) & ~3;
  const queries = scratch;
  const sums = queries + all;
  const peaks = sums + all;
  const masses = peaks + ((<usize>G4) << 2);
  const s = masses + ((<usize>G4) << 2);
  const wide = s + 4 * ROW;
  const values = wide + <usize>TILE * row;
  // f16 is widened as it is read, unless it is read more than once
  const halves = isPlain<u16>(type) && G <= 4;

  gatherQueries(queries, q, 1, G, d, G * d, type);
  memory.fill(sums, 0, all);
  noScores(peaks, masses, G4);
  for (let i0 = begin & ~(TILE - 1); i0 < n; i0 += TILE) {
    const count = min(TILE, n - i0);
    let keys = k + <usize>i0 * rowBytes(d, type);
    let tile = v + <usize>i0 * rowBytes(d, ofValues);
    if (!halves) {
      keys = tileOf(keys, rest, wide, count, d, type);
      tile = tileOf(tile, rest, values, count, d, ofValues);
    }
    if (count < 8 && keys != wide) {
      // eight rows are read, whatever they are
      memory.copy(wide, keys, <usize>count * rowBytes(d, type));
      keys = wide;
    }
    // of rows that lie in the cache, if there are eight more
    const inPlace = keys != wide && i0 + TILE + 8 <= n;
    const next = inPlace ? rowBytes(d, type) << 3 : 0;
    const beside = count < 8 ? keys : tile;
    for (let r = 0; r < G; r += 4) {
      const rows = min(4, G - r);
      const from = queries + <usize>r * row;
      const o = sums + <usize>r * row;
      if (halves) scores<u16>(s, from, keys, count, d, rows, next, beside);
      else scores<f32>(s, from, keys, count, d, rows, next, beside);
      if (cap != 0) for (let i = 0; i < rows; i++) capRow(s + <usize>i * ROW, count, cap);
      for (let i = 0; i < rows; i++) hideBefore(s + <usize>i * ROW, begin - i0);
      const at = (<usize>r) << 2;
      const decay = takeFour(s, count, rows, peaks + at, masses + at);
      if (v128.any_true(f32x4.ne(decay, f32x4.splat(1)))) {
        scale(o, f32x4.extract_lane(decay, 0), row);
        if (rows > 1) scale(o + row, f32x4.extract_lane(decay, 1), row);
        if (rows > 2) scale(o + 2 * row, f32x4.extract_lane(decay, 2), row);
        if (rows > 3) scale(o + 3 * row, f32x4.extract_lane(decay, 3), row);
      }
      if (halves) mix<u16>(o, s, tile, count, d, rows);
      else mix<f32>(o, s, tile, count, d, rows);
    }
  }
  for (let g: usize = 0; g < <usize>G; g++) {
    const to = out + g * row;
    memory.copy(to, sums + g * row, row);
    const at = g << 2;
    const mass = massOf(load<f32>(masses + at), load<f32>(peaks + at), sinks, <i32>g);
    scale(to, <f32>1 / mass, row);
    finishOutputs(to, 1, d, type);
  }
}
