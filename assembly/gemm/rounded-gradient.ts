// The way back through products with quantised weights, in integers as forward (integers.ts): dy
// rounded in blocks of 32 rows of W, and W as codes in panels. The file's scales differ from row to
// row, over which the sum now runs, so codes are made anew: 32 rows of a column have one scale. Of
// the 26 bits that 32 products leave of an i32, dy and W get 13 each: what they are rounded by is
// 2^-14 of the largest of a block. Sums run over blocks in order, from what is there: neither how
// many tokens there are nor how the work is cut changes a bit.
import { constant, madd, maxOfEach, storeColumns } from '../simd';
import { weightType } from '../weights/table';
import { GROUP_ROWS } from '../weights/pack';
import { Unpack } from './floats';
import { SCALES, PANEL_BLOCK, PANEL_CODES, tile1, tile4 } from './integers';
import { ROUNDED_BLOCK, roundBlock, rounded_bytes } from './rounded';

/** Largest codes, of dy and of W: 32 of their products stay below 2^31. */
const MOST: f32 = 8191;
/** Below this W is taken for zeros: its inverse would be no number. */
const TINY: usize = memory.data<f32>([1e-30]);
const TOP: usize = memory.data<f32>([8191]);
const STEP: usize = memory.data<f32>([1.0 / 8191]);
/** Added to a number below 2^22 it leaves the nearest whole one in the low bits. */
const MAGIC: usize = memory.data<f32>([12582912]); // 1.5 * 2^23

const ROWS: i32 = 32;
/** Columns that are unpacked at a time: whole blocks. */
const LEAST_COLUMNS: i32 = 64;
const MOST_COLUMNS: i32 = 256;
/** Blocks of 32 x 8 numbers of W in panels: with 64 columns 256 rows (input-gradient.ts). */
const PANEL_BLOCKS: i32 = 64;
const PANELS_BYTES: i32 = PANEL_BLOCKS * <i32>PANEL_BLOCK;

/** Bytes of scratch for linear_gradient_rounded(): panels, and 32 rows unpacked. */
export function rounded_gradient_scratch(): i32 {
  return PANELS_BYTES + MOST_COLUMNS * ROWS * 4;
}

/**
 * Rounds rows of dy, zeros behind the last column. to rounded_bytes(m) a row, m up to the next
 * multiple of 32 | dy f32 [n, m] lddy | scratch 128 bytes
 */
export function round_gradient(
  to: usize,
  dy: usize,
  scratch: usize,
  n: i32,
  m: i32,
  lddy: i32,
): void {
  for (let t = 0; t < n; t++, dy += (<usize>lddy) << 2) {
    for (let j = 0; j < m; j += ROWS, to += ROUNDED_BLOCK) {
      let from = dy + ((<usize>j) << 2);
      if (j + ROWS > m) {
        memory.fill(scratch, 0, ROWS * 4);
        memory.copy(scratch, from, (<usize>(m - j)) << 2);
        from = scratch;
      }
      roundBlock(to, from, MOST);
    }
  }
}

/** Largest magnitudes of 4 columns of 32 rows; `next` bytes from 8 rows to the next 8. */
@inline
function peaksOf(columns: usize, next: usize): v128 {
  let a = f32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  for (let p = columns, end = columns + 4 * next; p < end; p += next)
    for (let half: usize = 0; half < 32; half += 16) {
      a = f32x4.pmax(a, f32x4.abs(v128.load(p + half)));
      b = f32x4.pmax(b, f32x4.abs(v128.load(p + half, 32)));
      c = f32x4.pmax(c, f32x4.abs(v128.load(p + half, 64)));
      d = f32x4.pmax(d, f32x4.abs(v128.load(p + half, 96)));
    }
  return maxOfEach(a, b, c, d);
}

/** 8 rows of a column as codes, in pairs as dy has them: 0 2 1 3 of every four. */
@inline
function codesOf(p: usize, inverse: v128): v128 {
  const low = madd(constant(MAGIC), v128.load(p), inverse);
  const high = madd(constant(MAGIC), v128.load(p, 16), inverse);
  return i16x8.shuffle(low, high, 0, 4, 2, 6, 8, 12, 10, 14);
}

/**
 * 4 columns of 32 rows as half of a panel's block. columns f32 [4 of 8 rows][4 columns][8 rows],
 * `next` bytes from 8 rows to the next 8
 */
function roundColumns(panel: usize, columns: usize, next: usize): void {
  const peaks = peaksOf(columns, next);
  v128.store(panel, f32x4.mul(peaks, constant(STEP)));
  const inverses = v128.and(f32x4.div(constant(TOP), peaks), f32x4.gt(peaks, constant(TINY)));
  const i0 = i32x4.shuffle(inverses, inverses, 0, 0, 0, 0);
  const i1 = i32x4.shuffle(inverses, inverses, 1, 1, 1, 1);
  const i2 = i32x4.shuffle(inverses, inverses, 2, 2, 2, 2);
  const i3 = i32x4.shuffle(inverses, inverses, 3, 3, 3, 3);
  let codes = panel + PANEL_CODES;
  for (let p = columns, end = columns + 4 * next; p < end; p += next, codes += 128) {
    const a = codesOf(p, i0);
    const b = codesOf(p + 32, i1);
    const c = codesOf(p + 64, i2);
    storeColumns(codes, 32, a, b, c, codesOf(p + 96, i3));
  }
}

/** Unpacks 32 rows, of which m are there, as roundColumns() takes them. w: the first group */
@inline
function unpackRows(
  to: usize,
  w: usize,
  m: i32,
  columns: i32,
  row_bytes: usize,
  unpack: Unpack,
): void {
  const next = (<usize>columns) << 5;
  for (let r = 0; r < ROWS; r += 2 * GROUP_ROWS, to += next) {
    if (r >= m) {
      memory.fill(to, 0, next);
      continue;
    }
    const group = w + <usize>r * row_bytes;
    unpack(to, group, 0, columns);
    unpack(to + 16, group + <usize>GROUP_ROWS * row_bytes, 0, columns);
  }
}

/**
 * dx[n, k] (+)= sum_m dy[n, m] W[m, k], W any columns, whole blocks, of a packed weight whose
 * blocks are of 32 or 256, m > 0. dx f32 [n, k] lddx | dy round_gradient() [n, m] | w packed, rows of
 * row_bytes | scratch rounded_gradient_scratch()
 */
export function linear_gradient_rounded(
  dx: usize,
  dy: usize,
  w: usize,
  scratch: usize,
  n: i32,
  m: i32,
  k: i32,
  lddx: i32,
  row_bytes: usize,
  type: i32,
  add: bool,
): void {
  const type_ = weightType(type);
  const unpack = changetype<Unpack>(type_.unpack);
  const most = max(LEAST_COLUMNS, type_.elements);
  const mostBlocks = (PANEL_BLOCKS * 8) / most;
  const step = <usize>mostBlocks * PANEL_BLOCK;
  const unpacked = scratch + <usize>PANELS_BYTES;
  const blocks = (m + ROWS - 1) / ROWS;
  const stepX = (<usize>lddx) << 2;
  const stepY = <usize>rounded_bytes(blocks * ROWS);
  for (let j = 0; j < k; j += most) {
    const columns = min(most, k - j);
    const next = (<usize>columns) << 5;
    const from = w + 4 * type_.rowBytes(j);
    for (let first = 0; first < blocks; first += mostBlocks) {
      const count = min(mostBlocks, blocks - first);
      for (let b = 0; b < count; b++) {
        const row = (first + b) * ROWS;
        unpackRows(unpacked, from + <usize>row * row_bytes, m - row, columns, row_bytes, unpack);
        const at = scratch + <usize>b * PANEL_BLOCK;
        for (let c: usize = 0; c < <usize>columns; c += 4)
          roundColumns(at + (c >> 3) * step + ((c & 4) << 2), unpacked + (c << 5), next);
      }
      const sum = add || first > 0;
      for (let c: usize = 0; c < <usize>columns; c += 8) {
        const panel = scratch + (c >> 3) * step;
        let to = dx + ((<usize>j + c) << 2);
        let back = dy + <usize>first * ROUNDED_BLOCK;
        let t = 0;
        for (; t + 4 <= n; t += 4, to += 4 * stepX, back += 4 * stepY)
          tile4(to, back, panel, count, stepX, stepY, sum, SCALES);
        for (; t < n; t++, to += stepX, back += stepY) tile1(to, back, panel, count, sum, SCALES);
      }
    }
  }
}
