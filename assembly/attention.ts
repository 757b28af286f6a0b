// Attention of a block's queries over the rows of one kv head, tile by tile with a running softmax:
// the [T, n] scores never exist. Tiles begin at row 0 whatever the block, so that a query's output
// has the same bits however its context was cut into blocks. One token alone goes another way
// (decode.ts), which adds in the same order.
import { roundQueries, scoreCodes } from './coded/scores';
import { CodedTile, layOutTile, takeKeys, takeValues, tileBytes, widenListed } from './coded/tile';
import { mixCodes } from './coded/values';
import { attendOne, isDecode } from './decode';
import { tilePanels } from './gemm/tile';
import { capRow, exp1, exp4 } from './math';
import { gatherQueries } from './queries';
import {
  finishOutputs,
  isCoded,
  isPlain,
  loadRows,
  rowBytes,
  TILE,
  tileOf,
  valueType,
} from './rows/table';
import { fetchAll, maxLanes, scale, storeColumns, sumLanes } from './simd';
import { hideBefore, noScores, massOf, takeScores } from './softmax';

/** Bytes of rows, from which on a tile of them is fetched beforehand. */
const LINES: usize = 128;

/** Rounded up to the 8 columns of a register tile. */
@inline
export function padded(d: i32): i32 {
  return (d + 7) & ~7;
}

/** Keys of a tile, f32 [n, d] ld, as panels [ceil(n / 8)][d][8], missing keys 0. */
export function packKeys(panels: usize, rows: usize, n: i32, d: i32, ld: i32 = d): void {
  const numbers = (<usize>d) << 2;
  const bytes = (<usize>ld) << 2;
  for (let i = 0; i < n; i += 8) {
    const panel = panels + <usize>i * numbers;
    if (i + 8 <= n && (d & 3) == 0) {
      for (let h: usize = 0; h < 8; h += 4) {
        const r0 = rows + (<usize>i + h) * bytes;
        const r1 = r0 + bytes;
        const r2 = r1 + bytes;
        const r3 = r2 + bytes;
        let to = panel + 4 * h;
        for (let j: usize = 0; j < numbers; j += 16, to += 128) {
          const a = v128.load(r0 + j);
          const b = v128.load(r1 + j);
          storeColumns(to, 32, a, b, v128.load(r2 + j), v128.load(r3 + j));
        }
      }
      continue;
    }
    for (let r = 0; r < 8; r++) {
      for (let j: usize = 0; j < <usize>d; j++) {
        const value: f32 = i + r < n ? load<f32>(rows + <usize>(i + r) * bytes + (j << 2)) : 0;
        store<f32>(panel + (j << 5) + ((<usize>r) << 2), value);
      }
    }
  }
}

/**
 * The same of cached rows i .. i + n, n <= TILE. panels: f32 [TILE, d], and as much behind them to
 * widen rows in | rest of loadRows
 */
@inline
export function packRows(
  panels: usize,
  k: usize,
  i: i32,
  n: i32,
  d: i32,
  rest: usize,
  type: i32,
): void {
  const wide = panels + ((<usize>(TILE * d)) << 2);
  packKeys(panels, tileOf(k + <usize>i * rowBytes(d, type), rest, wide, n, d, type), n, d);
}

/** Behind both. */
@inline
export function behindRows(panels: usize, d: i32): usize {
  return panels + ((<usize>(2 * TILE * d)) << 2);
}

/**
 * Scores of up to 4 queries with the keys of a tile, capped unless `cap` is 0: s f32 [rows, TILE] |
 * x f32 [rows, d] | panels of packKeys
 */
@inline
export function tileScores(
  s: usize,
  x: usize,
  panels: usize,
  rows: i32,
  keys: i32,
  d: i32,
  cap: f32,
): void {
  tilePanels(s, x, panels, rows, (keys + 7) >> 3, (<usize>d) << 5, d, TILE, d, 8, false);
  if (cap == 0) return;
  for (let i = 0; i < rows; i++) capRow(s + ((<usize>(i * TILE)) << 2), keys, cap);
}

/**
 * Leaves the largest of all scores so far, `n` of them at s, and the sum of their exp: on their own
 * scale, rows behind may score far higher.
 */
function leaveLook(look: usize, apart: usize, s: usize, n: i32, before: f32, mass: f32): void {
  const lanes = (<usize>(n & ~3)) << 2;
  const end = (<usize>n) << 2;
  let largest = f32x4.splat(before);
  for (let j: usize = 0; j < lanes; j += 16) largest = f32x4.pmax(largest, v128.load(s + j));
  let peak = maxLanes(largest);
  for (let j = lanes; j < end; j += 4) peak = max(peak, load<f32>(s + j));
  let sums = f32x4.splat(0);
  for (let j: usize = 0; j < lanes; j += 16)
    sums = f32x4.add(sums, exp4(f32x4.sub(v128.load(s + j), f32x4.splat(peak))));
  let sum: f32 = mass * exp1(before - peak) + sumLanes(sums);
  for (let j = lanes; j < end; j += 4) sum += exp1(load<f32>(s + j) - peak);
  store<f32>(look, peak);
  store<f32>(look + apart, sum);
}

/** Fetches a tile, i .. of n, of rows that take lines of their own. */
@inline
function fetchTile(rows: usize, i: i32, n: i32, bytes: usize): void {
  const count = <usize>max(0, min(TILE, n - i));
  if (bytes >= LINES) fetchAll(rows + <usize>i * bytes, count * bytes);
}

/** The first row that a token sees. */
@inline
function firstOf(firsts: usize, t: i32): i32 {
  return firsts != 0 ? load<i32>(firsts + ((<usize>t) << 2)) : 0;
}

/** Bytes of scratch for attention() over T tokens of G heads. */
export function attention_scratch(T: i32, G: i32, d: i32): i32 {
  const R = T * G;
  const numbers = R * d + R * padded(d) + 2 * R + TILE * d * 2 + TILE * padded(d) + 4 * TILE;
  return numbers * 4 + tileBytes(R, d);
}

/**
 * out[t, g] = sum_i softmax_i(q[t, g] . k[i] / sqrt(d)) v[i], i <= n - T + t: the last T of the n
 * rows are the block's own. out f32 [T, G, d] ldo | q f32 [T, G, d] ldq | k, v rows [n, d] |
 * rest of loadRows | scratch attention_scratch(); n >= T
 * looks: 0, or f32 [2][T, G], `looks_apart` numbers from one to the other, where each query's
 * largest score with rows 0 .. seen is left, and sum_i exp(score - largest) of those; 0 < seen <=
 * n - T | firsts: 0, or i32 [T], ascending: the first row that each token sees, its own or one
 * before; then no looks | cap: 0, or scores s become cap tanh(s / cap) | sinks: 0, or f32 [G], a
 * score of each head that is no row's
 */
export function attention(
  out: usize,
  q: usize,
  k: usize,
  v: usize,
  rest: usize,
  scratch: usize,
  T: i32,
  G: i32,
  n: i32,
  d: i32,
  ldo: i32,
  ldq: i32,
  type: i32,
  looks: usize,
  seen: i32,
  looks_apart: i32,
  firsts: usize,
  cap: f32,
  sinks: usize,
): void {
  const begin = firsts != 0 ? load<i32>(firsts) : 0;
  const coded = isCoded(type);
  if (isDecode(T, d) && looks == 0 && !coded) {
    attendOne(out, q, k, v, rest, G, begin, n, d, type, scratch, cap, sinks);
    return;
  }
  const ofValues = valueType(type);
  const R = T * G;
  const dp = padded(d);
  const queries = scratch;
  const sums = queries + ((<usize>(R * d)) << 2);
  const peaks = sums + ((<usize>(R * dp)) << 2);
  const masses = peaks + ((<usize>R) << 2);
  const panels = masses + ((<usize>R) << 2);
  const values = behindRows(panels, d);
  const s = values + ((<usize>(TILE * dp)) << 2);
  const behind = s + ((<usize>(4 * TILE)) << 2);
  const codes = coded ? layOutTile(behind, R, d) : changetype<CodedTile>(0);

  gatherQueries(queries, q, T, G, d, ldq, type);
  memory.fill(sums, 0, (<usize>(R * dp)) << 2);
  noScores(peaks, masses, R);
  if (coded) roundQueries(codes, queries, R, d, type);
  if (dp != d) memory.fill(values, 0, (<usize>(TILE * dp)) << 2);

  for (let i0 = begin & ~(TILE - 1); i0 < n; i0 += TILE) {
    const keys = min(TILE, n - i0);
    let tile = v + <usize>i0 * rowBytes(d, ofValues);
    if (coded) {
      fetchTile(k, i0 + TILE, n, rowBytes(d, type));
      fetchTile(v, i0, n, rowBytes(d, ofValues));
      const wide = panels + ((<usize>(TILE * d)) << 2);
      const rows = k + <usize>i0 * rowBytes(d, type);
      takeKeys(codes, rows, rest, keys, d, type);
      takeValues(codes, tile, keys, d, type);
      widenListed(wide, rows, rest, codes.plainKeys, codes.keysLeft, d, type);
      packKeys(panels, wide, codes.keysLeft, d);
      widenListed(values, tile, rest, codes.plainValues, codes.valuesLeft, d, ofValues);
    } else packRows(panels, k, i0, keys, d, rest, type);
    if (!coded && (!isPlain<f32>(type) || dp != d)) {
      loadRows(values, tile, rest, keys, d, dp, ofValues);
      tile = values;
    }
    for (let r = 0; r < R; r += 4) {
      const rows = min(4, R - r);
      // rows of the tile that the last of these queries sees
      const shown = n - T + (r + rows - 1) / G + 1 - i0;
      if (shown <= 0 || firstOf(firsts, r / G) >= i0 + keys) continue;
      const x = queries + ((<usize>(r * d)) << 2);
      if (coded) scoreCodes(codes, s, x, panels, rest, r, rows, keys, d, type, cap);
      else tileScores(s, x, panels, rows, keys, d, cap);
      for (let i = 0; i < rows; i++) {
        const row = s + ((<usize>(i * TILE)) << 2);
        const visible = min(keys, n - T + (r + i) / G + 1 - i0);
        const hidden = firstOf(firsts, (r + i) / G) - i0;
        if (visible <= 0 || hidden >= visible) {
          memory.fill(row, 0, (<usize>TILE) << 2);
          continue;
        }
        hideBefore(row, hidden);
        const at = (<usize>(r + i)) << 2;
        if (looks != 0 && i0 < seen && seen <= i0 + keys) {
          leaveLook(
            looks + at,
            (<usize>looks_apart) << 2,
            row,
            seen - i0,
            load<f32>(peaks + at),
            load<f32>(masses + at),
          );
        }
        const decay = takeScores(row, visible, keys, peaks + at, masses + at);
        if (decay != 1) scale(sums + ((<usize>((r + i) * dp)) << 2), decay, (<usize>dp) << 2);
      }
      const o = sums + ((<usize>(r * dp)) << 2);
      if (coded) mixCodes(codes, o, s, values, rows, keys, d, type);
      else tilePanels(o, s, tile, rows, dp >> 3, 32, keys, dp, TILE, dp, true);
    }
  }
  for (let t = 0; t < T; t++) {
    for (let g = 0; g < G; g++) {
      const r = t * G + g;
      const from = sums + ((<usize>(r * dp)) << 2);
      const to = out + ((<usize>(t * ldo + g * d)) << 2);
      const at = (<usize>r) << 2;
      const by = <f32>1 / massOf(load<f32>(masses + at), load<f32>(peaks + at), sinks, g);
      for (let j: usize = 0; j < (<usize>d) << 2; j += 4)
        store<f32>(to + j, load<f32>(from + j) * by);
      finishOutputs(to, 1, d, type);
    }
  }
}
