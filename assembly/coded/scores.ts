// Scores of queries with keys of few bits, in integers: a query is rounded to 16 bits on a scale of
// its own, so that its product with a row is an exact sum of whole numbers, whose bits no order can
// change. What rounding takes from a score is some hundredth of what it took from rows of 8 bits
// (docs/log.md, 'Rows of few bits in integers').
//
//   rotated   q . k_i = step_i sum_j q_j code_ij + lo_i sum_j q_j
//   kivi      q . k_i = sum_j (q_j step_gj) code_ij + sum_j q_j lo_gj, g the grid of row i
import { tilePanels } from '../gemm/tile';
import { capRow } from '../math';
import { TILE } from '../rows/table';
import { GROUPED, MIXED, WIDTH } from '../rows/types';
import {
  dotAdd,
  floats,
  madd,
  maxLanes,
  rounded,
  sumLanes,
  sumLanesInt,
  sumOfEachInt,
} from '../simd';
import { CodedTile, gridOf } from './tile';

/** Numbers too small to have a scale: they are nothing beside a code. */
const LEAST: f32 = 1e-30;

/** The largest code there may be, MIXED or not. */
@inline
function levelsOf(type: i32): i32 {
  return type >= GROUPED && (type & MIXED) != 0 ? 255 : (1 << (type & WIDTH)) - 1;
}

/**
 * Rounds a query to codes as large as sums of products allow: codes i16 [d] | x f32 [d] | most: the
 * largest of each lane | levels: the largest code of a key. Gives the sum of the codes where `sum`,
 * a constant, and leaves their step at `factor`.
 */
@inline
function roundQuery(
  codes: usize,
  x: usize,
  d: i32,
  most: v128,
  levels: i32,
  factor: usize,
  sum: bool,
): i32 {
  const largest = maxLanes(most);
  const top = <f32>min(32767, i32.MAX_VALUE / (d * levels));
  const by = f32x4.splat(largest > LEAST ? top / largest : 0);
  let sums = i32x4.splat(0);
  for (const end = x + floats(d); x < end; x += 32, codes += 16) {
    const low = rounded(f32x4.mul(v128.load(x), by));
    const high = rounded(f32x4.mul(v128.load(x, 16), by));
    v128.store(codes, i16x8.narrow_i32x4_s(low, high));
    if (sum) sums = i32x4.add(sums, i32x4.add(low, high));
  }
  store<f32>(factor, largest / top);
  return sum ? sumLanesInt(sums) : 0;
}

/** Rounds what gatherQueries() made: x f32 [R, d]. Queries of keys on grids wait for their grid. */
export function roundQueries(tile: CodedTile, x: usize, R: i32, d: i32, type: i32): void {
  if (type >= GROUPED) return;
  const end = floats(d);
  for (let r: usize = 0; r < <usize>R; r++, x += end) {
    const factor = tile.factors + (r << 3);
    const codes = tile.queries + r * ((<usize>d) << 1);
    let most = f32x4.splat(0);
    for (let j: usize = 0; j < end; j += 16) most = f32x4.pmax(most, f32x4.abs(v128.load(x + j)));
    const sum = roundQuery(codes, x, d, most, levelsOf(type), factor, true);
    store<f32>(factor + 4, load<f32>(factor) * <f32>sum);
  }
}

/** Rounds up to 4 queries times the steps of a grid, f32 [2, d]. x f32 [rows, d] */
function roundOnGrid(tile: CodedTile, x: usize, rows: i32, grid: usize, d: i32, type: i32): void {
  const end = floats(d);
  for (let r: usize = 0; r < <usize>rows; r++, x += end) {
    let a = f32x4.splat(0);
    let b = a;
    let most = a;
    for (let j: usize = 0; j < end; j += 32) {
      const p = x + j;
      const g = grid + j;
      const low = v128.load(p);
      const high = v128.load(p, 16);
      const scaled = f32x4.mul(low, v128.load(g));
      const next = f32x4.mul(high, v128.load(g, 16));
      v128.store(tile.wide + j, scaled);
      v128.store(tile.wide + j, next, 16);
      most = f32x4.pmax(most, f32x4.pmax(f32x4.abs(scaled), f32x4.abs(next)));
      a = madd(a, low, v128.load(g + end));
      b = madd(b, high, v128.load(g + end, 16));
    }
    const factor = tile.factors + (r << 3);
    roundQuery(tile.queries + r * (end >> 1), tile.wide, d, most, levelsOf(type), factor, false);
    store<f32>(factor + 4, sumLanes(f32x4.add(a, b)));
  }
}


@inline
function place(s: usize, i0: usize, i1: usize, i2: usize, i3: usize, four: v128): void {
  v128.store32_lane(s + (i0 << 2), four, 0);
  v128.store32_lane(s + (i1 << 2), four, 1);
  v128.store32_lane(s + (i2 << 2), four, 2);
  v128.store32_lane(s + (i3 << 2), four, 3);
}

/**
 * Scores of Q (1 or 2, a constant) queries with listed rows from .. to, four rows at a time. s f32
 * [Q, TILE] | q i16 [Q, d] | factors f32 [Q, 2]
 */
@inline
function dotsOf(
  tile: CodedTile,
  s: usize,
  q: usize,
  factors: usize,
  from: i32,
  to: i32,
  d: usize,
  Q: i32,
): void {
  const keys = tile.keys;
  const stride = tile.stride;
  const last = to - 1;
  for (let i = from; i < to; i += 4) {
    // the last four repeat the last row
    const i0 = <usize>load<i32>(tile.list + floats(i));
    const i1 = <usize>load<i32>(tile.list + floats(min(i + 1, last)));
    const i2 = <usize>load<i32>(tile.list + floats(min(i + 2, last)));
    const i3 = <usize>load<i32>(tile.list + floats(min(i + 3, last)));
    const r0 = keys + i0 * stride;
    const r1 = keys + i1 * stride;
    const r2 = keys + i2 * stride;
    const r3 = keys + i3 * stride;
    let a0 = i32x4.splat(0);
    let a1 = a0;
    let a2 = a0;
    let a3 = a0;
    let b0 = a0;
    let b1 = a0;
    let b2 = a0;
    let b3 = a0;
    for (let j: usize = 0; j < d; j += 8) {
      const k0 = v128.load8x8_u(r0 + j);
      const k1 = v128.load8x8_u(r1 + j);
      const k2 = v128.load8x8_u(r2 + j);
      const k3 = v128.load8x8_u(r3 + j);
      const x = v128.load(q + (j << 1));
      a0 = dotAdd(a0, k0, x);
      a1 = dotAdd(a1, k1, x);
      a2 = dotAdd(a2, k2, x);
      a3 = dotAdd(a3, k3, x);
      if (Q > 1) {
        const y = v128.load(q + ((j + d) << 1));
        b0 = dotAdd(b0, k0, y);
        b1 = dotAdd(b1, k1, y);
        b2 = dotAdd(b2, k2, y);
        b3 = dotAdd(b3, k3, y);
      }
    }
    const step = v128.load(tile.steps + floats(i));
    const low = v128.load(tile.lows + floats(i));
    const a = f32x4.mul(
      f32x4.convert_i32x4_s(sumOfEachInt(a0, a1, a2, a3)),
      v128.load32_splat(factors),
    );
    place(s, i0, i1, i2, i3, madd(f32x4.mul(low, v128.load32_splat(factors, 4)), a, step));
    if (Q > 1) {
      const b = f32x4.mul(
        f32x4.convert_i32x4_s(sumOfEachInt(b0, b1, b2, b3)),
        v128.load32_splat(factors, 8),
      );
      place(
        s + floats(TILE),
        i0,
        i1,
        i2,
        i3,
        madd(f32x4.mul(low, v128.load32_splat(factors, 12)), b, step),
      );
    }
  }
}

/** The same for up to 4 queries. */
function dots(
  tile: CodedTile,
  s: usize,
  q: usize,
  factors: usize,
  rows: i32,
  from: i32,
  to: i32,
  d: i32,
): void {
  const wide = <usize>d;
  for (; rows > 1; rows -= 2, s += 2 * floats(TILE), q += 4 * wide, factors += 16)
    dotsOf(tile, s, q, factors, from, to, wide, 2);
  if (rows == 1) dotsOf(tile, s, q, factors, from, to, wide, 1);
}

/**
 * Scores of queries r .. r + rows (4 at most) with a tile of keys, capped unless `cap` is 0: s f32
 * [rows, TILE] | x f32 [rows, d], those queries | panels of packKeys: the rows that are not rounded
 */
export function scoreCodes(
  tile: CodedTile,
  s: usize,
  x: usize,
  panels: usize,
  rest: usize,
  r: i32,
  rows: i32,
  keys: i32,
  d: i32,
  type: i32,
  cap: f32,
): void {
  if (type < GROUPED) {
    const q = tile.queries + <usize>r * ((<usize>d) << 1);
    dots(tile, s, q, tile.factors + ((<usize>r) << 3), rows, 0, keys, d);
  } else {
    let from = 0;
    for (let run = 0; run < tile.runs; run++) {
      roundOnGrid(tile, x, rows, gridOf(tile, run, rest, d, type), d, type);
      const to = load<i32>(tile.ends + floats(run));
      dots(tile, s, tile.queries, tile.factors, rows, from, to, d);
      from = to;
    }
    if (tile.keysLeft > 0) scoreLeft(tile, s, x, panels, rows, d);
  }
  if (cap == 0) return;
  for (let i = 0; i < rows; i++) capRow(s + floats(i * TILE), keys, cap);
}

/** Scores with rows that are not rounded. */
function scoreLeft(tile: CodedTile, s: usize, x: usize, panels: usize, rows: i32, d: i32): void {
  const n = tile.keysLeft;
  tilePanels(tile.apart, x, panels, rows, (n + 7) >> 3, floats(8 * d), d, TILE, d, 8, false);
  for (let r = 0; r < rows; r++) {
    const to = s + floats(r * TILE);
    for (let i = 0; i < n; i++) {
      const row = load<i32>(tile.plainKeys + floats(i));
      store<f32>(to + floats(row), load<f32>(tile.apart + floats(r * TILE + i)));
    }
  }
}
