// The grids of the IQ types, read off the kernels (assembly/weights/grids.ts): an entry is several
// numbers at once, each the number of a level, which types name themselves.
import { gridRows } from '../../build/generated/kernels.ts';

export { gridRows };

export type GridName = keyof typeof gridRows;

const known = new Map<GridName, Uint8Array>();

/** Numbers of levels, [entries][8], of the IQ3 grids [entries][4]. */
export function gridOf(name: GridName): Uint8Array {
  const found = known.get(name) ?? spread(name);
  known.set(name, found);
  return found;
}

/** A set's members in ascending order, their digits the lowest first. */
function spread(name: GridName): Uint8Array {
  const { set, entries, digits, levels } = gridRows[name];
  const bits = Uint8Array.from(atob(set), (c) => c.charCodeAt(0));
  const out = new Uint8Array(entries * digits);
  let at = 0;
  for (let i = 0; at < out.length; i++) {
    if (((bits[i >> 3] >> (i & 7)) & 1) === 0) continue;
    for (let d = 0, rest = i; d < digits; d++, rest = Math.floor(rest / levels))
      out[at++] = rest % levels;
  }
  return out;
}
