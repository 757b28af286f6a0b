// Grids and slots by number instead of by address, as stored rows name them.
import { rowBytes, type RowSide } from '../dtype.ts';
import { restOf, tailOf } from '../row-codec.ts';
import type { Address } from '../tensor.ts';
import type { Groups } from './groups.ts';

/** The grids and slots that a head's rows name, and their numbers. */
export interface Numbering {
  /** Where the grids lie, and which slots they are. */
  readonly grids: readonly Address[];
  readonly slots: readonly number[];
  /**
   * Makes the tails of copied rows say it: bytes from `from` on of a column of the head, cut
   * between words.
   */
  rename(side: RowSide, copy: Uint8Array, from: number): void;
}

/**
 * What head i's rows mean by number: their grids, counted from `grids` on in order of the rows,
 * and their slots, from `slots` on.
 */
export function numberRows(groups: Groups, i: number, grids: number, slots: number): Numbering {
  const head = groups.heads[i];
  const numbers = new Map<Address, number>();
  const taken: number[] = [];
  for (const { address, rounded } of groups.rests(head)) {
    if (!rounded) taken.push(groups.slotOf(i, address));
    else if (!numbers.has(address)) numbers.set(address, grids + numbers.size);
  }
  const settled = head.length - taken.length; // rows that are rounded: the first ones
  const rename = (side: RowSide, copy: Uint8Array, from: number) => {
    const step = rowBytes(groups.shape.rowType, groups.shape.headDim, side);
    const words = new Int32Array(copy.buffer, copy.byteOffset, copy.length >> 2);
    // the last word of each row; those of values that are rounded name nothing
    let row = Math.max(side === 'values' ? settled : 0, Math.ceil((from + 4) / step) - 1);
    for (let at = (row + 1) * step - 4 - from; at < copy.length; at += step, row++) {
      const { address } = restOf(words[at >> 2]);
      words[at >> 2] =
        row < settled
          ? tailOf(2 * numbers.get(address)!, true)
          : tailOf(2 * (slots + row - settled), false);
    }
  };
  return { grids: [...numbers.keys()], slots: taken, rename };
}

/**
 * The other way round, in place, for a head whose rows were just written: its grids become those
 * of this range from number `free` on. Gives how many of each it has, or undefined where the
 * numbers are not those that numberRows() gives, or more than there is room for.
 */
export function placeRows(
  groups: Groups,
  i: number,
  free: number,
  grids: number,
  slots: number,
): { grids: number; slots: number } | undefined {
  const head = groups.heads[i];
  const [keys, values] = (['keys', 'values'] as const).map((side) => groups.tails(head, side));
  const found = { grids: 0, slots: 0 };
  for (const [row, { address, rounded }] of groups.rests(head).entries()) {
    const at = address / 2 - (rounded ? grids : slots);
    const most = rounded
      ? Math.min(found.grids, groups.grids - free - 1)
      : Math.min(found.slots, groups.slots - 1);
    if (at < 0 || at > most || (rounded && found.slots > 0) || (!rounded && at < found.slots))
      return undefined;
    if (rounded) {
      found.grids = Math.max(found.grids, at + 1);
      keys.words[(row + 1) * keys.step - 1] = tailOf(groups.gridAddress(free + at), true);
      continue;
    }
    found.slots++;
    keys.words[(row + 1) * keys.step - 1] = tailOf(groups.slotAddress(i, at, 'keys'), false);
    values.words[(row + 1) * values.step - 1] = tailOf(groups.slotAddress(i, at, 'values'), false);
  }
  return found;
}
