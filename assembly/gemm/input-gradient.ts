// The way back through products with weights that meet x as it is (floats.ts): dx from dy and W.
// Sums run over the rows of W in order, from what is there: neither how many tokens there are nor
// how the work is cut changes a bit.
import { storeColumns } from '../simd';
import { weightType } from '../weights/table';
import { GROUP_ROWS } from '../weights/pack';
import { Unpack } from './floats';
import { tilePanels, tileRows } from './tile';

/** Columns of W that are unpacked at a time: whole blocks. */
const LEAST_COLUMNS: i32 = 64;
const MOST_COLUMNS: i32 = 256;
/** Panels of them: with 64 columns 256 rows, so that what these meet of 256 dy stays in L2. */
const PANELS_BYTES: i32 = 64 * 1024;
const UNPACKED_BYTES: i32 = MOST_COLUMNS * 32;
const EDGE_BYTES: i32 = 4 * 32;

/** Bytes of scratch for linear_gradient(): panels, a group unpacked, an edge. */
export function linear_gradient_scratch(): i32 {
  return PANELS_BYTES + UNPACKED_BYTES + EDGE_BYTES;
}

/**
 * Turns a group of rows, f32 [columns, 4] ld 8, into 4 rows of panels of 8 columns, `step` bytes
 * apart; up to 3 columns too many.
 */
function turnGroup(panels: usize, group: usize, columns: i32, step: usize): void {
  for (let j = 0; j < columns; j += 4, group += 128) {
    const a = v128.load(group);
    const b = v128.load(group, 32);
    const c = v128.load(group, 64);
    const to = panels + <usize>(j >> 3) * step + (((<usize>j) & 4) << 2);
    storeColumns(to, 32, a, b, c, v128.load(group, 96));
  }
}

/** tileRows() for fewer than 8 columns of y, four tokens at a time in `edge`. */
function tileEdge(
  y: usize,
  x: usize,
  p: usize,
  edge: usize,
  n: i32,
  columns: i32,
  k: i32,
  ldy: i32,
  ldx: i32,
  add: bool,
): void {
  const bytes = (<usize>columns) << 2;
  for (let t = 0; t < n; t += 4) {
    const count = min(4, n - t);
    const to = y + ((<usize>t * ldy) << 2);
    if (add)
      for (let i: usize = 0; i < <usize>count; i++)
        memory.copy(edge + (i << 5), to + ((i * ldy) << 2), bytes);
    tileRows(edge, x + ((<usize>t * ldx) << 2), p, count, k, 8, ldx, 8, add);
    for (let i: usize = 0; i < <usize>count; i++)
      memory.copy(to + ((i * ldy) << 2), edge + (i << 5), bytes);
  }
}

/**
 * dx[n, k] (+)= sum_m dy[n, m] W[m, k], W any columns, whole blocks, of a packed weight.
 * dx f32 [n, k] lddx | dy f32 [n, m] lddy | w packed, rows of row_bytes | scratch
 * linear_gradient_scratch()
 */
export function linear_gradient(
  dx: usize,
  dy: usize,
  w: usize,
  scratch: usize,
  n: i32,
  m: i32,
  k: i32,
  lddx: i32,
  lddy: i32,
  row_bytes: usize,
  type: i32,
  add: bool,
): void {
  const t = weightType(type);
  const unpack = changetype<Unpack>(t.unpack);
  const most = max(LEAST_COLUMNS, t.elements);
  assert(most <= MOST_COLUMNS);
  const mostRows = PANELS_BYTES / 4 / most;
  const step = (<usize>mostRows) << 5;
  const unpacked = scratch + <usize>PANELS_BYTES;
  const edge = unpacked + <usize>UNPACKED_BYTES;
  for (let j = 0; j < k; j += most) {
    const columns = min(most, k - j);
    const blocks = w + 4 * t.rowBytes(j);
    let row = 0;
    do {
      const rows = min(mostRows, m - row);
      for (let r = 0; r < rows; r += GROUP_ROWS) {
        unpack(unpacked, blocks + <usize>(row + r) * row_bytes, 0, columns);
        turnGroup(scratch + ((<usize>r) << 5), unpacked, columns, step);
      }
      const to = dx + ((<usize>j) << 2);
      const from = dy + ((<usize>row) << 2);
      const sum = add || row > 0;
      const panels = columns >> 3;
      if (n < 4) tilePanels(to, from, scratch, n, panels, step, rows, lddx, lddy, 8, sum);
      else
        for (let c: usize = 0; c < <usize>panels; c++)
          tileRows(to + (c << 5), from, scratch + c * step, n, rows, lddx, lddy, 8, sum);
      if (columns & 7) {
        const last = scratch + <usize>panels * step;
        const rest = columns & 7;
        tileEdge(to + ((<usize>panels) << 5), from, last, edge, n, rest, rows, lddx, lddy, sum);
      }
      row += mostRows;
    } while (row < m);
  }
}
