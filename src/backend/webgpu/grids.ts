// The grids of the IQ types as a device reads them (lib/grids.wgsl): a table of 16 bits an entry
// behind each weight's words. It is small beside a weight, and a kernel needs nothing else.
import type { WeightName } from '../dtype.ts';
import { type GridName, gridOf, gridRows } from '../grids.ts';

const known = new Map<WeightName, Uint16Array>();

/** A type's grid, where it has one. */
export function gridTable(type: WeightName): Uint16Array | undefined {
  const name = type === 'iq1_m' ? 'iq1_s' : type;
  if (!(name in gridRows)) return undefined;
  const table = known.get(type) ?? pack(name as GridName);
  known.set(type, table);
  return table;
}

/** Digits of 2 bits, or of 3 where there are four. */
function pack(name: GridName): Uint16Array {
  const { entries, digits } = gridRows[name];
  const grid = gridOf(name);
  const bits = digits === 8 ? 2 : 3;
  return Uint16Array.from({ length: entries }, (_, entry) => {
    let packed = 0;
    for (let d = 0; d < digits; d++) packed |= grid[digits * entry + d] << (bits * d);
    return packed;
  });
}
