// What the rows of a range name, and whether that can be: rows may come from a file.
import type { Groups } from './groups.ts';
import type { HeadRows } from './memory.ts';

export interface Named {
  /** Numbers of the grids, ascending. */
  readonly grids: readonly number[];
  /** Numbers of the slots in order of the rows, a row's key before its value. */
  readonly slots: readonly number[];
}

/**
 * What rows name; undefined where that is not there, is named by another row or head, or where the
 * rows that are not rounded are not the last ones.
 */
export function namedIn(groups: Groups): Named | undefined {
  const owners = new Int32Array(groups.grids); // head of each grid, from 1
  const slots: number[] = [];
  for (const [i, head] of groups.heads.entries()) {
    const own = namedByHead(groups, i, head, owners);
    if (!own) return undefined;
    for (const slot of own) slots.push(slot);
  }
  return { grids: [...owners.keys()].filter((g) => owners[g] > 0), slots };
}

/** Slots that head i's rows name; notes it as the owner of its grids. */
function namedByHead(
  groups: Groups,
  i: number,
  head: HeadRows,
  owners: Int32Array,
): number[] | undefined {
  const values = groups.named(head, 0, 'values');
  const first = groups.slotNumber(i, 0, 'keys');
  const slots = new Set<number>();
  for (const [row, key] of groups.named(head).entries()) {
    if (values[row].rounded !== key.rounded) return undefined;
    if (key.rounded) {
      const owner = owners[key.number]; // undefined: there is no such grid
      if (slots.size > 0 || (owner !== 0 && owner !== i + 1)) return undefined;
      owners[key.number] = i + 1;
      continue;
    }
    const s = key.number - first;
    if (s < 0 || s >= groups.slots || slots.has(key.number)) return undefined;
    if (values[row].number !== groups.slotNumber(i, s, 'values')) return undefined;
    slots.add(key.number).add(values[row].number);
  }
  return [...slots];
}
