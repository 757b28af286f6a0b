// Sums of values of few bits, in integers: a row's weight times its step is rounded to 15 bits on
// the scale of the largest of the tile, and rows are taken two at a time. Sums are exact, so that
// their bits are the same in every order, and rows that a query does not see add 0.
//
//   sum_i p_i (lo_i + step_i code_ij) = sum_i p_i (lo_i + step_i m) + sum_i p_i step_i (code_ij - m)
//
// m is the code in the middle: about it sums are small, and so is what rounding takes from them.
import { sumTile, tilePanels } from '../gemm/tile';
import { TILE, valueType } from '../rows/table';
import { dotAdd, floats, madd, maxLanes, rounded, sumLanes, sumLanesInt } from '../simd';
import { CodedTile, middleOf, WEIGHTS } from './tile';

/** The largest weight. */
const TOP: f32 = 32767;
/** Weights too small to have a scale: nothing is left of them. */
const LEAST: f32 = 1e-30;

/** Steps of pairs of bytes (gemm/tile.ts). Behind a query's weights lies what weigh() left there. */
@unmanaged
class Pairs {

  @inline
  load(p: usize): v128 {
    return v128.load8x8_u(p);
  }


  @inline
  size(): usize {
    return 8;
  }


  @inline
  add(sum: v128, x: v128, w: v128): v128 {
    return dotAdd(sum, x, w);
  }


  @inline
  leave(y: usize, half: usize, low: v128, high: v128, x: usize): void {
    this.one(y, low, x);
    this.one(y + half, high, x);
  }


  @inline
  one(y: usize, sum: v128, x: usize): void {
    const about = f32x4.convert_i32x4_s(i32x4.sub(sum, v128.load32_splat(x, 4)));
    const all = madd(v128.load32_splat(x, 8), about, v128.load32_splat(x));
    v128.store(y, f32x4.add(v128.load(y), all));
  }
}

/**
 * Rounds a query's weights, p f32 [n], rounded up to 4 with zeros, to w i16 [n, rounded up to 2].
 * Behind them: the step of a weight, m times their sum (i32), and what all channels have in common.
 */
function weigh(tile: CodedTile, w: usize, p: usize, n: i32, middle: i32): void {
  const end = floats((n + 3) & ~3);
  let most = f32x4.splat(0);
  let common = most;
  for (let i: usize = 0; i < end; i += 16) {
    const own = v128.load(p + i);
    most = f32x4.pmax(most, f32x4.mul(own, v128.load(tile.valueSteps + i)));
    common = madd(common, own, v128.load(tile.valueLows + i));
  }
  const largest = maxLanes(most);
  const by = f32x4.splat(largest > LEAST ? TOP / largest : 0);
  let sums = i32x4.splat(0);
  for (let i: usize = 0; i < end; i += 16) {
    const own = f32x4.mul(v128.load(p + i), v128.load(tile.valueSteps + i));
    const q = rounded(f32x4.mul(own, by));
    sums = i32x4.add(sums, q);
    v128.store64_lane(w + (i >> 1), i16x8.narrow_i32x4_s(q, q), 0);
  }
  const behind = w + floats((n + 1) >> 1);
  store<f32>(behind, largest / TOP);
  store<i32>(behind + 4, sumLanesInt(sums) * middle);
  store<f32>(behind + 8, sumLanes(common));
}


@inline
function mixPairs(tile: CodedTile, y: usize, n: i32, d: i32, rows: i32): void {
  const step = changetype<Pairs>(0);
  const w = tile.weights;
  const end = w + floats((n + 1) >> 1);
  const wide = (<usize>d) << 1;
  for (let p = tile.pairs, last = p + wide; p < last; p += 16, y += 32)
    sumTile(step, y, w, p, end, rows, false, floats(d), 16, WEIGHTS, false, 4, wide);
}

/**
 * y[r] += sum_i p[r, i] v[i] for up to 4 queries, n rows of the tile. y f32 [rows, d] | p f32 [rows,
 * TILE] | values f32 [.., d]: those that are not rounded
 */
export function mixCodes(
  tile: CodedTile,
  y: usize,
  p: usize,
  values: usize,
  rows: i32,
  n: i32,
  d: i32,
  type: i32,
): void {
  const middle = <i32>middleOf(valueType(type));
  for (let r = 0; r < rows; r++)
    weigh(tile, tile.weights + <usize>r * WEIGHTS, p + floats(r * TILE), n, middle);
  // no `else`: arms that end alike become one, with `rows` unknown
  if (rows == 4) mixPairs(tile, y, n, d, 4);
  if (rows == 3) mixPairs(tile, y, n, d, 3);
  if (rows == 2) mixPairs(tile, y, n, d, 2);
  if (rows == 1) mixPairs(tile, y, n, d, 1);
  if (tile.valuesLeft > 0) mixLeft(tile, y, p, values, rows, d);
}

/** The same of rows that are not rounded. */
function mixLeft(tile: CodedTile, y: usize, p: usize, values: usize, rows: i32, d: i32): void {
  const n = tile.valuesLeft;
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < n; i++) {
      const row = load<i32>(tile.plainValues + floats(i));
      store<f32>(tile.apart + floats(r * TILE + i), load<f32>(p + floats(r * TILE + row)));
    }
  }
  tilePanels(y, tile.apart, values, rows, d >> 3, 32, n, d, TILE, d, true);
}
