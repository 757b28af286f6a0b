// Attention of one token's queries: too few to pack keys for. Rows are read where they lie, up to
// four query heads of a kv head take each of them together, and a lane of the softmax is a query.
import { valueType } from './kivi';
import { exp4, expLanes } from './math';
import { rows_unrotate } from './quant';
import { gatherQueries } from './queries';
import { isRotated, rowBytes, ROWS_F16, TILE, tileOf } from './rows';
import { loadHalves, madd, scale } from './simd';

/** Whether attention of T tokens with heads of d goes this way. */
@inline
export function isDecode(T: i32, d: i32): bool {
  return T == 1 && (d & 7) == 0;
}

/** Four numbers of a row: T is f32, or u16 for f16. */
@inline
function loadRow<T>(row: usize, j: usize): v128 {
  return isFloat<T>() ? v128.load(row + (j << 2)) : loadHalves(row + (j << 1));
}

/** Sums of the lanes of four vectors. */
@inline
function sumFour(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(i32x4.shuffle(a, b, 0, 4, 1, 5), i32x4.shuffle(a, b, 2, 6, 3, 7));
  const cd = f32x4.add(i32x4.shuffle(c, d, 0, 4, 1, 5), i32x4.shuffle(c, d, 2, 6, 3, 7));
  return f32x4.add(i64x2.shuffle(ab, cd, 0, 2), i64x2.shuffle(ab, cd, 1, 3));
}

/** Scores of four queries with n rows: s f32 [n, 4] | q f32 [4, d] | rows [n, d] */
function scores<T>(s: usize, q: usize, rows: usize, n: i32, d: usize): void {
  const bytes = d * sizeof<T>();
  const q1 = q + (d << 2);
  const q2 = q1 + (d << 2);
  const q3 = q2 + (d << 2);
  for (let i = 0; i < n; i += 2, rows += 2 * bytes, s += 32) {
    // the last of an odd number of rows is taken twice
    const other = i + 1 < n ? rows + bytes : rows;
    let a0 = f32x4.splat(0);
    let a1 = a0;
    let a2 = a0;
    let a3 = a0;
    let b0 = a0;
    let b1 = a0;
    let b2 = a0;
    let b3 = a0;
    for (let j: usize = 0; j < d; j += 4) {
      const a = loadRow<T>(rows, j);
      const b = loadRow<T>(other, j);
      let x = v128.load(q + (j << 2));
      a0 = madd(a0, a, x);
      b0 = madd(b0, b, x);
      x = v128.load(q1 + (j << 2));
      a1 = madd(a1, a, x);
      b1 = madd(b1, b, x);
      x = v128.load(q2 + (j << 2));
      a2 = madd(a2, a, x);
      b2 = madd(b2, b, x);
      x = v128.load(q3 + (j << 2));
      a3 = madd(a3, a, x);
      b3 = madd(b3, b, x);
    }
    v128.store(s, sumFour(a0, a1, a2, a3));
    v128.store(s, sumFour(b0, b1, b2, b3), 16);
  }
}

/**
 * sums[r] += sum_i p[i, r] v[i] for four queries r. sums f32 [4, d] | p f32 [n, 4] | v rows [n, d]
 */
function mix<T>(sums: usize, p: usize, v: usize, n: i32, d: usize): void {
  const bytes = d * sizeof<T>();
  const wide = d << 2;
  const end = p + ((<usize>n) << 4);
  for (let j: usize = 0; j < d; j += 8) {
    const to = sums + (j << 2);
    let a0 = v128.load(to);
    let b0 = v128.load(to, 16);
    let a1 = v128.load(to + wide);
    let b1 = v128.load(to + wide, 16);
    let a2 = v128.load(to + 2 * wide);
    let b2 = v128.load(to + 2 * wide, 16);
    let a3 = v128.load(to + 3 * wide);
    let b3 = v128.load(to + 3 * wide, 16);
    let row = v;
    for (let at = p; at < end; at += 16, row += bytes) {
      const a = loadRow<T>(row, j);
      const b = loadRow<T>(row, j + 4);
      let by = v128.load32_splat(at);
      a0 = madd(a0, by, a);
      b0 = madd(b0, by, b);
      by = v128.load32_splat(at, 4);
      a1 = madd(a1, by, a);
      b1 = madd(b1, by, b);
      by = v128.load32_splat(at, 8);
      a2 = madd(a2, by, a);
      b2 = madd(b2, by, b);
      by = v128.load32_splat(at, 12);
      a3 = madd(a3, by, a);
      b3 = madd(b3, by, b);
    }
    v128.store(to, a0);
    v128.store(to, b0, 16);
    v128.store(to + wide, a1);
    v128.store(to + wide, b1, 16);
    v128.store(to + 2 * wide, a2);
    v128.store(to + 2 * wide, b2, 16);
    v128.store(to + 3 * wide, a3);
    v128.store(to + 3 * wide, b3, 16);
  }
}

/**
 * out[g] = sum_i softmax_i(q[g] . k[i] / sqrt(d)) v[i] over rows begin .. n.
 * out f32 [G, d] | q f32 [G, d] | k, v rows [n, d] | scratch attention_scratch(1, G, d); d % 8 == 0
 */
export function attendOne(
  out: usize,
  q: usize,
  k: usize,
  v: usize,
  scratch: usize,
  G: i32,
  begin: i32,
  n: i32,
  d: i32,
  type: i32,
): void {
  const R = (G + 3) & ~3; // queries that are not there are zeros
  const ofValues = valueType(type);
  const row = (<usize>d) << 2;
  const all = <usize>R * row;
  const queries = scratch;
  const sums = queries + all;
  const peaks = sums + all;
  const masses = peaks + ((<usize>R) << 2);
  const s = masses + ((<usize>R) << 2);
  const wide = s + ((<usize>TILE) << 4);
  const values = wide + <usize>TILE * row;
  // f16 is widened as it is read, unless it is read more than once
  const halves = type == ROWS_F16 && R == 4;

  memory.fill(queries, 0, 2 * all);
  gatherQueries(queries, q, 1, G, d, G * d, type);
  memory.fill(masses, 0, (<usize>R) << 2);
  for (let r = 0; r < R; r++) store<f32>(peaks + ((<usize>r) << 2), -Infinity);

  for (let i0 = begin & ~(TILE - 1); i0 < n; i0 += TILE) {
    const count = min(TILE, n - i0);
    let keys = k + <usize>i0 * rowBytes(d, type);
    let tile = v + <usize>i0 * rowBytes(d, ofValues);
    if (!halves) {
      keys = tileOf(keys, wide, count, d, type);
      tile = tileOf(tile, values, count, d, ofValues);
    }
    for (let r: usize = 0; r < <usize>R; r += 4) {
      const at = r << 2;
      if (halves) scores<u16>(s, queries + r * row, keys, count, d);
      else scores<f32>(s, queries + r * row, keys, count, d);
      for (let i: usize = 0; <i32>i < begin - i0; i++)
        v128.store(s + (i << 4), f32x4.splat(-Infinity));
      const before = v128.load(peaks + at);
      let peak = before;
      for (let i: usize = 0; i < <usize>count; i++)
        peak = f32x4.pmax(peak, v128.load(s + (i << 4)));
      const mass = expLanes(s, count << 2, peak);
      const decay = exp4(f32x4.sub(before, peak));
      v128.store(peaks + at, peak);
      v128.store(masses + at, madd(mass, v128.load(masses + at), decay));
      const o = sums + r * row;
      if (v128.any_true(f32x4.ne(decay, f32x4.splat(1)))) {
        scale(o, f32x4.extract_lane(decay, 0), row);
        scale(o + row, f32x4.extract_lane(decay, 1), row);
        scale(o + 2 * row, f32x4.extract_lane(decay, 2), row);
        scale(o + 3 * row, f32x4.extract_lane(decay, 3), row);
      }
      if (halves) mix<u16>(o, s, tile, count, d);
      else mix<f32>(o, s, tile, count, d);
    }
  }
  for (let g: usize = 0; g < <usize>G; g++) {
    const to = out + g * row;
    memory.copy(to, sums + g * row, row);
    scale(to, <f32>1 / load<f32>(masses + (g << 2)), row);
    if (isRotated(type)) rows_unrotate(to, 1, d, d);
  }
}
