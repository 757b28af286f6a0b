// A tile of cached rows of few bits, as attention in integers takes it: codes as bytes, with the
// step and the lowest value of each row beside them. Keys that share grids are listed grid by grid,
// and rows that are not rounded yet are listed apart.
import { kiviBytes, exchange, gridAt, isUnrounded, widenRow } from '../rows/kivi';
import { rowBytes, TILE, valueType } from '../rows/table';
import { GROUPED, MIXED, WIDTH } from '../rows/types';
import { constant, floats, widen, widenHalves } from '../simd';
import { pairRows, unpackBytes } from './bytes';
import { planBytes, planMixed, unpackPlanned } from './mixed';

/** Bytes of a query's weights of a tile: i16 [TILE], and behind them what becomes of their sums. */
export const WEIGHTS: usize = ((<usize>TILE) << 1) + 16;
/** Rows of a list, and as many behind them as are read at a time. */
const LISTED: usize = (<usize>(TILE + 4)) << 2;
/** Grids of a tile that are widened once for all queries: groups of 32 rows make three at most. */
const WIDE_GRIDS: i32 = 4;
/** A row that is in a list already. */
const TAKEN: u32 = 0xffffffff;

/** Where all of it lies. */
@unmanaged
export class CodedTile {
  /** Queries rounded, i16 [R, d] (4 at least), and a factor and a summand of each, f32 [R, 2]. */
  queries: usize;
  factors: usize;
  /** Of keys: bytes of rows, `stride` apart; numbers of rows, i32, grid after grid. */
  keys: usize;
  stride: usize;
  list: usize;
  /** Of each listed row, f32. */
  steps: usize;
  lows: usize;
  /** Where the list of each grid ends, i32, and its number, u32. */
  ends: usize;
  grids: usize;
  runs: i32;
  /** Of values: two rows to a pair of bytes, u8 [TILE / 2, d, 2]; f32 of each row. */
  pairs: usize;
  valueSteps: usize;
  valueLows: usize;
  weights: usize;
  /** Rows that are not rounded, i32, and how many. */
  plainKeys: usize;
  plainValues: usize;
  keysLeft: i32;
  valuesLeft: i32;
  /** Scores or weights of those, f32 [4, TILE]. */
  apart: usize;
  /** Codes of keys as bytes, u8 [TILE, d]; of two values, u8 [2, d]; a query, f32 [d]. */
  bytes: usize;
  two: usize;
  wide: usize;
  /** Grids of a tile as f32 [WIDE_GRIDS + 1, 2, d]. */
  wideGrids: usize;
  /** Where codes of mixed widths lie (mixed.ts). */
  plan: usize;
}

/** Lays it out for R queries. */
export function layOutTile(at: usize, R: i32, d: i32): CodedTile {
  const tile = changetype<CodedTile>(at);
  const rows = <usize>max(R, 4);
  const row = <usize>d;
  const many = <usize>TILE;
  tile.queries = at + offsetof<CodedTile>();
  tile.wide = tile.queries + 2 * rows * row;
  tile.bytes = tile.wide + 4 * row;
  tile.pairs = tile.bytes + many * row;
  tile.two = tile.pairs + many * row;
  tile.plan = tile.two + 2 * row;
  tile.wideGrids = tile.plan + planBytes(d);
  tile.factors = tile.wideGrids + <usize>(WIDE_GRIDS + 1) * 2 * floats(d);
  tile.list = tile.factors + 8 * rows;
  tile.steps = tile.list + LISTED;
  tile.lows = tile.steps + LISTED;
  tile.valueSteps = tile.lows + LISTED;
  tile.valueLows = tile.valueSteps + LISTED;
  tile.ends = tile.valueLows + LISTED;
  tile.grids = tile.ends + LISTED;
  tile.plainKeys = tile.grids + LISTED;
  tile.plainValues = tile.plainKeys + LISTED;
  tile.weights = tile.plainValues + LISTED;
  tile.apart = tile.weights + 4 * WEIGHTS;
  // rows that stand alone are one list; keys on grids have no steps of their own
  tile.runs = 1;
  for (let i = 0; i < TILE + 4; i++) {
    store<i32>(tile.list + floats(i), i);
    store<f32>(tile.steps + floats(i), 1);
    store<f32>(tile.lows + floats(i), 1);
  }
  return tile;
}

/** Bytes of it. */
@inline
export function tileBytes(R: i32, d: i32): i32 {
  const rows = max(R, 4);
  const lists = <usize>9 * LISTED + <usize>4 * WEIGHTS + 16 * <usize>TILE;
  const fixed = offsetof<CodedTile>() + lists + planBytes(d);
  const channel = 2 * rows + 4 + 2 * TILE + 2 + 8 * (WIDE_GRIDS + 1);
  return <i32>fixed + d * channel + 8 * rows;
}

const SIXTEEN_BITS: usize = memory.data<u32>([0xffff]);

/**
 * Steps and lowest values of n rows, whose last words lie at `tails`, `bytes` apart: steps, lows f32
 * [n rounded up to 4]. What code `middle` stands for is left in place of what code 0 does. Whether a
 * step has a sign: there are rows that are not rounded.
 */
function loadScales(
  steps: usize,
  lows: usize,
  tails: usize,
  bytes: usize,
  n: i32,
  middle: f32,
): bool {
  const last = n - 1;
  let all = i32x4.splat(0);
  for (let i = 0; i < n; i += 4) {
    let words = v128.load32_splat(tails + <usize>i * bytes);
    words = v128.load32_lane(tails + <usize>min(i + 1, last) * bytes, words, 1);
    words = v128.load32_lane(tails + <usize>min(i + 2, last) * bytes, words, 2);
    words = v128.load32_lane(tails + <usize>min(i + 3, last) * bytes, words, 3);
    all = v128.or(all, words);
    const step = widen(v128.and(words, constant(SIXTEEN_BITS)));
    const low = widen(i32x4.shr_s(words, 16));
    v128.store(steps + floats(i), step);
    v128.store(lows + floats(i), f32x4.add(low, f32x4.mul(step, f32x4.splat(middle))));
  }
  // signs of low halves
  return (i16x8.bitmask(all) & 0x55) != 0;
}

/** Takes keys in. rows [n, d], 0 < n <= TILE | rest of loadRows */
export function takeKeys(
  tile: CodedTile,
  rows: usize,
  rest: usize,
  n: i32,
  d: i32,
  type: i32,
): void {
  const bytes = rowBytes(d, type);
  const mixed = type >= GROUPED && (type & MIXED) != 0;
  const bits = type & WIDTH;
  tile.keysLeft = 0;
  if (type < GROUPED) loadScales(tile.steps, tile.lows, rows + bytes - 4, bytes, n, 0);
  else {
    listByGrid(tile, rows + bytes - 4, bytes, n);
    for (let run = 0; run < min(tile.runs, WIDE_GRIDS); run++) widenGrid(tile, run, rest, d, type);
  }
  if (!mixed && bits == 8) {
    tile.keys = rows;
    tile.stride = bytes;
    return;
  }
  tile.keys = tile.bytes;
  tile.stride = <usize>d;
  if (!mixed) {
    unpackBytes(tile.bytes, rows, bytes, n, d, bits);
    return;
  }
  let at = 0;
  for (let run = 0; run < tile.runs; run++) {
    const widths = gridAt(rest, load<u32>(tile.grids + floats(run)), d, type) + ((<usize>d) << 2);
    planMixed(tile.plan, widths, bytes, d);
    for (const end = load<i32>(tile.ends + floats(run)); at < end; at++) {
      const i = <usize>load<i32>(tile.list + floats(at));
      const codes = tile.bytes + i * <usize>d;
      unpackPlanned(codes, rows + i * bytes, tile.plan, widths, bytes, d);
    }
  }
}

/** A run's grid widened, steps and lowest values: f32 [2, d] */
export function gridOf(tile: CodedTile, run: i32, rest: usize, d: i32, type: i32): usize {
  const to = tile.wideGrids + <usize>min(run, WIDE_GRIDS) * 2 * floats(d);
  if (run >= WIDE_GRIDS) widenGrid(tile, run, rest, d, type);
  return to;
}


@inline
function widenGrid(tile: CodedTile, run: i32, rest: usize, d: i32, type: i32): void {
  const to = tile.wideGrids + <usize>min(run, WIDE_GRIDS) * 2 * floats(d);
  widenHalves(to, gridAt(rest, load<u32>(tile.grids + floats(run)), d, type), 2 * d);
}

/** Lists n keys grid by grid, and those that are not rounded apart. */
function listByGrid(tile: CodedTile, tails: usize, bytes: usize, n: i32): void {
  const words = tile.apart; // not used yet
  const first = exchange(load<u32>(tails));
  let differ: u32 = first & 0x80000000;
  for (let i = 0; i < n; i++) {
    const word = exchange(load<u32>(tails + <usize>i * bytes));
    differ |= word ^ first;
    store<u32>(words + floats(i), word);
    store<i32>(tile.list + floats(i), i);
  }
  if (differ == 0) {
    store<u32>(tile.grids, first);
    store<i32>(tile.ends, n);
    tile.runs = 1;
    return;
  }
  let count = 0;
  let runs = 0;
  for (let i = 0; i < n; i++) {
    const word = load<u32>(words + floats(i));
    if (word == TAKEN) continue;
    if (isUnrounded(word)) {
      store<i32>(tile.plainKeys + floats(tile.keysLeft), i);
      tile.keysLeft++;
      continue;
    }
    for (let j = i; j < n; j++) {
      if (load<u32>(words + floats(j)) != word) continue;
      store<u32>(words + floats(j), TAKEN);
      store<i32>(tile.list + floats(count), j);
      count++;
    }
    store<u32>(tile.grids + floats(runs), word);
    store<i32>(tile.ends + floats(runs), count);
    runs++;
  }
  tile.runs = runs;
}

/** Takes values in, of the type that lies beside keys of a type. */
export function takeValues(tile: CodedTile, rows: usize, n: i32, d: i32, type: i32): void {
  const own = valueType(type);
  const bits = own & WIDTH;
  const bytes = rowBytes(d, own);
  const tails = rows + bytes - 4;
  tile.valuesLeft = 0;
  if (loadScales(tile.valueSteps, tile.valueLows, tails, bytes, n, middleOf(own))) {
    for (let i = 0; i < n; i++) {
      if (!isUnrounded(exchange(load<u32>(tails + <usize>i * bytes)))) continue;
      store<f32>(tile.valueSteps + floats(i), 0);
      store<f32>(tile.valueLows + floats(i), 0);
      store<i32>(tile.plainValues + floats(tile.valuesLeft), i);
      tile.valuesLeft++;
    }
  }
  pairRows(tile.pairs, rows, bytes, n, d, bits, tile.two);
}

/** The code in the middle of those of a type of values: what they are counted from. */
@inline
export function middleOf(type: i32): f32 {
  return <f32>(1 << ((type & WIDTH) - 1));
}

/** Widens listed rows that are not rounded: dst f32 [n, d] | list i32 [n] */
export function widenListed(
  dst: usize,
  rows: usize,
  rest: usize,
  list: usize,
  n: i32,
  d: i32,
  type: i32,
): void {
  for (let i = 0; i < n; i++, dst += floats(d)) {
    const row = rows + <usize>load<i32>(list + floats(i)) * kiviBytes(d, type);
    widenRow(dst, row, rest, d, type);
  }
}
