// The grids of the IQ types, which name several numbers at once: a code is the number of an entry.
// They are kept as sets (grid-sets.ts) and written out when a module starts. What stands here are
// digits, numbers of levels, and a level is looked up where it is wanted:
//
//   entry of 8 digits   [d0 | d4 << 4, d1 | d5 << 4, d2 | d6 << 4, d3 | d7 << 4]
//   entry of 4 digits   [d0, d1, d2, d3]: two of them make one of 8
//
// Digits take three bits: above each there is room for a sign.
import { IQ1S, IQ2S, IQ2XS, IQ2XXS, IQ3S, IQ3XXS } from './grid-sets';

export const IQ2_XXS_GRID: usize = memory.data(256 * 4, 16);
export const IQ2_XS_GRID: usize = memory.data(512 * 4, 16);
export const IQ2_S_GRID: usize = memory.data(1024 * 4, 16);
export const IQ3_XXS_GRID: usize = memory.data(256 * 4, 16);
export const IQ3_S_GRID: usize = memory.data(512 * 4, 16);
export const IQ1_S_GRID: usize = memory.data(2048 * 4, 16);

/** What TypeScript must know of a grid (scripts/kernel-table.mjs). */
@unmanaged
export class Grid {
  name: usize;
  /** A bit for each entry that there could be. */
  set: usize;
  entries: i32;
  digits: i32;
  levels: i32;
}

const ROOM: i32 = 6;
const GRIDS: usize = memory.data(ROOM * offsetof<Grid>(), 16);
let count: i32 = 0;

/** Where a grid's row lies. */
export function grid(number: i32): usize {
  return GRIDS + <usize>number * offsetof<Grid>();
}

/** How many grids there are. */
export function grids(): i32 {
  return count;
}

/** Writes a grid's entries in the order of their numbers, each word once (see table.ts). */
function addGrid(name: string, to: usize, set: usize, entries: i32, digits: i32): void {
  assert(count < ROOM);
  const levels = digits == 8 ? 3 : 8;
  const row = changetype<Grid>(grid(count++));
  row.name = changetype<usize>(name);
  row.set = set;
  row.entries = entries;
  row.digits = digits;
  row.levels = levels;
  let bits = load<u64>(set);
  let first = 0;
  for (let i = 0; i < entries; i++, to += 4) {
    for (; bits == 0; first += 64) bits = load<u64>((set += 8));
    let number = first + <i32>ctz(bits);
    bits &= bits - 1;
    let entry: u32 = 0;
    for (let d = 0; d < digits; d++, number /= levels)
      entry |= (<u32>(number % levels)) << (((d & 3) << 3) | (d & 4));
    store<u32>(to, entry);
  }
}

addGrid('iq2_xxs', IQ2_XXS_GRID, IQ2XXS, 256, 8);
addGrid('iq2_xs', IQ2_XS_GRID, IQ2XS, 512, 8);
addGrid('iq2_s', IQ2_S_GRID, IQ2S, 1024, 8);
addGrid('iq3_xxs', IQ3_XXS_GRID, IQ3XXS, 256, 4);
addGrid('iq3_s', IQ3_S_GRID, IQ3S, 512, 4);
addGrid('iq1_s', IQ1_S_GRID, IQ1S, 2048, 8);
