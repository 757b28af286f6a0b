// Rows of few bits as KIVI keeps them (arXiv 2402.02750): each channel of keys is rounded on a grid
// that a group of rows shares, each value row on a grid of its own, and the newest rows are not
// rounded at all. A row names the rest of it by number, so that it can be moved like any other, and
// all that is named can be moved together, to another memory too:
//
//   row:    [codes | up to 3 bytes of padding to a multiple of 4 | tail u32]
//   tail    halves exchanged (so that its top bit is the sign of a step, which has none):
//           bit 31 set = the row is not rounded, the other bits are the number of its f16 [d];
//           otherwise, of keys: the number of its grid;
//           of values: step f16 | lo f16, as in codes.ts
//   grid:   [step f16 [d] | lo f16 [d] | only where bits are mixed: bits of each channel u8 [d]]
//
// Grids lie before an even address `rest`, from there backwards, and rows that are not rounded
// behind it: [... | grid 1 | grid 0 | rest: f16 [d] number 0 | number 1 | ...]
//
// Codes of one width lie as in codes.ts; of mixed widths as a stream of bits, channel after
// channel, lowest first.
import {
  code1,
  codeBytes,
  dequantizeRow,
  put,
  quantizeListed,
  ROUNDED_ROWS,
  TAIL_BYTES,
  unpackCodes,
} from './codes';
import { loadHalf, loadHalves, storeHalf, storeHalves, widenHalves } from '../simd';

import { BY_ROW, MIXED, WIDTH } from './types';

/** Fewest and most bits of a channel where they are mixed. */
const LEAST_BITS: i32 = 2;
const MOST_BITS: i32 = 8;

/** Bytes of a row. */
@inline
export function kiviBytes(d: i32, type: i32): usize {
  if ((type & MIXED) == 0) return codeBytes(d, type & WIDTH);
  return <usize>((((d * (type & WIDTH) + 15) >> 4) + TAIL_BYTES + 3) & ~3);
}

/** A tail as it is read, and written. */
@inline
export function exchange(tail: u32): u32 {
  return rotl<u32>(tail, 16);
}

/** Whether a row is not rounded, by its tail. */
@inline
export function isUnrounded(tail: u32): bool {
  return tail >> 31 != 0;
}

/** Where a grid lies. */
@inline
export function gridAt(rest: usize, grid: u32, d: i32, type: i32): usize {
  const bytes = <usize>((type & MIXED) != 0 ? 5 * d : 4 * d);
  return rest - (<usize>grid + 1) * bytes;
}

/** Widens one row: dst f32 [d] | src row | rest */
export function widenRow(dst: usize, src: usize, rest: usize, d: i32, type: i32): void {
  const tail = exchange(load<u32>(src + kiviBytes(d, type) - TAIL_BYTES));
  if (isUnrounded(tail)) {
    widenHalves(dst, rest + ((<usize>(tail & 0x7fffffff) * <usize>d) << 1), d);
    return;
  }
  if ((type & BY_ROW) != 0) {
    dequantizeRow(dst, src, d, type & WIDTH);
    return;
  }
  const at = gridAt(rest, tail, d, type);
  const lows = at + ((<usize>d) << 1);
  if ((type & MIXED) != 0) unpackMixed<f32>(dst, src, lows + ((<usize>d) << 1), d);
  else unpackCodes(dst, src, d, type & WIDTH, f32x4.splat(1), f32x4.splat(0));
  for (let j: usize = 0; j < <usize>d; j += 4) {
    const p = dst + (j << 2);
    v128.store(
      p,
      f32x4.add(f32x4.mul(v128.load(p), loadHalves(at + (j << 1))), loadHalves(lows + (j << 1))),
    );
  }
}

/** dst T [d] = codes of `widths` u8 [d] bits each. Reads up to 3 bytes behind the last code. */
export function unpackMixed<T>(dst: usize, src: usize, widths: usize, d: i32): void {
  let bit: usize = 0;
  for (let j: usize = 0; j < <usize>d; j++) {
    const width = <u32>load<u8>(widths + j);
    const code = (load<u32>(src + (bit >> 3)) >> ((<u32>bit) & 7)) & ((1 << width) - 1);
    store<T>(dst + j * sizeof<T>(), <T>code);
    bit += width;
  }
}

/** Widens rows list[0 .. n): dst f32 [n, d] | rows | rest | list i32 [n] */
export function kivi_gather(
  dst: usize,
  rows: usize,
  rest: usize,
  list: usize,
  n: i32,
  d: i32,
  type: i32,
): void {
  const bytes = kiviBytes(d, type);
  for (let i = 0; i < n; i++, list += 4, dst += (<usize>d) << 2)
    widenRow(dst, rows + <usize>load<i32>(list) * bytes, rest, d, type);
}

/**
 * Rounds x and stores it as rows list[0 .. n): keys as one group, whose grid is written as number
 * `number`, values each on a grid of its own. rows | rest | list i32 [n], n > 0 | x f32 [n, d] |
 * scratch f32 [d]
 */
export function kivi_group(
  rows: usize,
  rest: usize,
  list: usize,
  x: usize,
  scratch: usize,
  n: i32,
  d: i32,
  type: i32,
  number: i32,
): void {
  const bytes = kiviBytes(d, type);
  const wide = (<usize>d) << 2;
  if ((type & BY_ROW) != 0) {
    for (let i = 0; i < n; i += ROUNDED_ROWS) {
      const some = min(ROUNDED_ROWS, n - i);
      const at = <usize>i;
      quantizeListed(rows, list + (at << 2), x + at * wide, some, d, type & WIDTH);
    }
    return;
  }
  const mixed = (type & MIXED) != 0;
  const grid = gridAt(rest, <u32>number, d, type);
  const lows = grid + ((<usize>d) << 1);
  const widths = lows + ((<usize>d) << 1);
  for (let j: usize = 0; j < wide; j += 16) {
    let lo = v128.load(x + j);
    let hi = lo;
    for (let i: usize = 1; i < <usize>n; i++) {
      const v = v128.load(x + i * wide + j);
      lo = f32x4.pmin(lo, v);
      hi = f32x4.pmax(hi, v);
    }
    storeHalves(lows + (j >> 1), lo);
    v128.store(scratch + j, f32x4.sub(hi, lo));
  }
  if (mixed) shareBits(widths, scratch, d, (d * (type & WIDTH)) >> 1);
  for (let j: usize = 0; j < <usize>d; j++) {
    const width = mixed ? <i32>load<u8>(widths + j) : type & WIDTH;
    storeHalf(grid + (j << 1), load<f32>(scratch + (j << 2)) / <f32>((1 << width) - 1));
  }
  const tail = exchange(<u32>number);
  for (let i = 0; i < n; i++, list += 4, x += wide) {
    const row = rows + <usize>load<i32>(list) * bytes;
    memory.fill(row, 0, bytes - TAIL_BYTES);
    let bit: usize = 0;
    for (let j = 0; j < d; j++) {
      const at = (<usize>j) << 1;
      const width = mixed ? <i32>load<u8>(widths + <usize>j) : type & WIDTH;
      const step = loadHalf(grid + at);
      const by: f32 = step > 0 ? <f32>1 / step : 0;
      const q = code1(load<f32>(x + 2 * at), loadHalf(lows + at), by, <f32>((1 << width) - 1));
      if (!mixed) {
        put(row, j, d, width, <u32>q);
        continue;
      }
      const word = row + (bit >> 3);
      store<u32>(word, load<u32>(word) | ((<u32>q) << ((<u32>bit) & 7)));
      bit += width;
    }
    store<u32>(row + bytes - TAIL_BYTES, tail);
  }
}

/**
 * Shares `total` bits over channels so that the sum of their squared steps is least: one after the
 * other goes where it helps most. widths u8 [d] | ranges f32 [d]
 */
function shareBits(widths: usize, ranges: usize, d: i32, total: i32): void {
  memory.fill(widths, <u8>LEAST_BITS, <usize>d);
  for (let left = total - LEAST_BITS * d; left > 0; left--) {
    let best: usize = 0;
    let gain: f32 = -1;
    for (let j: usize = 0; j < <usize>d; j++) {
      const width = <i32>load<u8>(widths + j);
      if (width == MOST_BITS) continue;
      const range = load<f32>(ranges + (j << 2));
      const now = range / <f32>((1 << width) - 1);
      const then = range / <f32>((2 << width) - 1);
      const less = now * now - then * then;
      if (less > gain) {
        gain = less;
        best = j;
      }
    }
    store<u8>(widths + best, load<u8>(widths + best) + 1);
  }
}
