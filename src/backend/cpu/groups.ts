// What rows on shared grids (KIVI, assembly/rows/kivi.ts) need beside their columns: the grids of a
// range's groups, and the newest rows of each head as f16, in slots, until a group of them is
// rounded. Rows say themselves where that is, so nothing here has to follow when they move or go:
// which grids and slots are taken is read off the rows.
//
//   a range:  grids [groups][gridBytes]
//             | of each head: slots of keys f16 [slots, d] | slots of values f16 [slots, d]
//
// Rows that are not rounded are always the last ones of their head. Evicting thins groups out;
// where no grid is free, the two groups of a head with the fewest rows become one, which rounds
// those rows again. A grid is always to be had: with more grids than a 32nd of all rows, and one a
// head, some head has two groups of no more than 64 rows together.
import type { Angles } from '../backend.ts';
import type { CacheShape } from '../cache-shape.ts';
import { GROUP, gridsOf, MOST_ROWS, SETTLED_SLOTS, slotBytes, slotsOf } from '../group-sizes.ts';
import { gridBytes, rowBytes, type RowSide } from '../dtype.ts';
import { restOf, tailOf } from '../row-codec.ts';
import type { Address, Tensor } from '../tensor.ts';
import type { CpuBackend, HeadRows } from './memory.ts';

/** One range's grids and slots. */
export class Groups {
  readonly grids: number;
  readonly slots: number;
  readonly #backend: CpuBackend;
  readonly shape: CacheShape;
  readonly heads: readonly HeadRows[];
  readonly #gridAt: Address;
  readonly #slotsAt: Address;
  readonly #numbers: Address; // f32 [MOST_ROWS, d]
  readonly #list: Address; // i32 [MOST_ROWS]

  /** `address` is where rangeBytes() are, `scratch` where scratchBytes() are. */
  constructor(
    backend: CpuBackend,
    shape: CacheShape,
    heads: readonly HeadRows[],
    rows: number,
    address: Address,
    scratch: Address,
  ) {
    this.#backend = backend;
    this.shape = shape;
    this.heads = heads;
    this.grids = gridsOf(rows, heads.length);
    this.slots = slotsOf(shape);
    this.#gridAt = address;
    this.#slotsAt = address + this.grids * gridBytes(shape.rowType, shape.headDim);
    this.#numbers = scratch;
    this.#list = scratch + MOST_ROWS * shape.headDim * 4;
  }

  /** Where grid g lies. */
  gridAddress(g: number): Address {
    return this.#gridAt + g * gridBytes(this.shape.rowType, this.shape.headDim);
  }

  /** Where slot s of the range's head i lies. */
  slotAddress(i: number, s: number, side: RowSide): Address {
    const { headDim: d } = this.shape;
    return (
      this.#slotsAt +
      i * this.slots * slotBytes(d) +
      (side === 'values' ? this.slots * 2 * d : 0) +
      s * 2 * d
    );
  }

  gridOf(address: Address): number {
    return (address - this.#gridAt) / gridBytes(this.shape.rowType, this.shape.headDim);
  }

  slotOf(i: number, key: Address): number {
    return (key - this.slotAddress(i, 0, 'keys')) / (2 * this.shape.headDim);
  }

  /** The last words of a head's rows, and how many words lie from one to the next. */
  tails(head: HeadRows, side: RowSide): { words: Int32Array; step: number } {
    const step = rowBytes(this.shape.rowType, this.shape.headDim, side) / 4;
    return { words: this.#backend.ints(head[side], head.length * step), step };
  }

  /** Where each row of keys has the rest of it, from row `from` on. */
  rests(head: HeadRows, from = 0): { address: Address; rounded: boolean }[] {
    const { words, step } = this.tails(head, 'keys');
    return Array.from({ length: head.length - from }, (_, i) =>
      restOf(words[(from + i + 1) * step - 1]),
    );
  }

  /** How many rows at the end of a head are not rounded. */
  unrounded(head: HeadRows): number {
    const { words, step } = this.tails(head, 'keys');
    let count = 0;
    while (count < head.length && !restOf(words[(head.length - count) * step - 1]).rounded) count++;
    return count;
  }

  /**
   * Writes k and v of head h as rows from the end of the range's head i on; its length is not
   * changed.
   */
  append(i: number, k: Tensor, v: Tensor, h: number, T: number): void {
    const head = this.heads[i];
    const { headDim: d } = this.shape;
    this.#settle(i, this.slots - T);
    const unrounded = this.unrounded(head);
    const taken = new Uint8Array(this.slots);
    for (const { address } of this.rests(head, head.length - unrounded))
      taken[this.slotOf(i, address)] = 1;
    const slots: number[] = [];
    for (let s = 0; slots.length < T; s++) {
      if (s === this.slots)
        throw new RangeError(`${T} rows appended where ${slots.length} fit unrounded`);
      if (taken[s] === 0) slots.push(s);
    }
    const whole = { ...head, length: head.length + T };
    for (const [side, from] of [
      ['keys', k],
      ['values', v],
    ] as const) {
      const { words, step } = this.tails(whole, side);
      for (let t = 0; t < T;) {
        let run = 1;
        while (t + run < T && slots[t + run] === slots[t] + run) run++;
        const rows = { address: from.address + t * from.columns * 4, columns: from.columns };
        this.#backend.storeRows(this.slotAddress(i, slots[t], side), rows, h, run, d, 'f16');
        t += run;
      }
      slots.forEach((s, t) => {
        words[(head.length + t + 1) * step - 1] = tailOf(this.slotAddress(i, s, side), false);
      });
    }
  }

  /** Rounds the oldest of the unrounded rows, in whole groups, and leaves the newest. */
  settle(): void {
    for (const i of this.heads.keys()) this.#settle(i, SETTLED_SLOTS);
  }

  /**
   * Rounds groups of head i until no more than `most` of its rows are unrounded, as far as whole
   * groups go.
   */
  #settle(i: number, most: number): void {
    const head = this.heads[i];
    for (
      let unrounded = this.unrounded(head);
      unrounded > most && unrounded >= GROUP;
      unrounded -= GROUP
    ) {
      const first = head.length - unrounded;
      const rows = Array.from({ length: GROUP }, (_, j) => first + j);
      const grid = this.#freeGrid();
      for (const side of ['keys', 'values'] as const)
        this.#round(head, rows, side, grid, this.#gather(head, rows, side));
    }
  }

  /** Widens rows into the scratch, and notes which they are. */
  #gather(head: HeadRows, rows: readonly number[], side: RowSide): Address {
    const { headDim: d, rowType } = this.shape;
    this.#backend.ints(this.#list, rows.length).set(rows);
    this.#backend.gatherRows(this.#numbers, head[side], this.#list, rows.length, d, rowType, side);
    return this.#numbers;
  }

  /** Rounds numbers as the rows that were gathered last. */
  #round(
    head: HeadRows,
    rows: readonly number[],
    side: RowSide,
    grid: Address,
    numbers: Address,
  ): void {
    const { headDim: d, rowType } = this.shape;
    this.#backend.groupRows(head[side], this.#list, numbers, grid, rows.length, d, rowType, side);
  }

  /** A grid that no row needs. */
  #freeGrid(): Address {
    const counts = new Int32Array(this.grids);
    const owners = new Int32Array(this.grids);
    this.heads.forEach((head, i) => {
      const { words, step } = this.tails(head, 'keys');
      for (let at = step - 1; at < words.length; at += step) {
        const { address, rounded } = restOf(words[at]);
        if (!rounded) break; // and none behind it
        const g = this.gridOf(address);
        counts[g]++;
        owners[g] = i;
      }
    });
    const free = counts.indexOf(0);
    if (free >= 0) return this.gridAddress(free);
    return this.#merge(counts, owners);
  }

  /**
   * Puts the two groups of one head that have the fewest rows together, and gives the grid that
   * this frees.
   */
  #merge(counts: Int32Array, owners: Int32Array): Address {
    const smallest = this.heads.map((_, i) => {
      const own = Array.from(counts.keys()).filter((g) => owners[g] === i);
      return own.sort((a, b) => counts[a] - counts[b] || a - b).slice(0, 2);
    });
    const rowsOf = ([a, b]: number[]) =>
      b === undefined ? Number.POSITIVE_INFINITY : counts[a] + counts[b];
    const i = smallest.reduce(
      (best, pair, h) => (rowsOf(pair) < rowsOf(smallest[best]) ? h : best),
      0,
    );
    const [from, into] = smallest[i];
    if (rowsOf(smallest[i]) > MOST_ROWS)
      throw new RangeError('no grid is free, and no two groups fit into one');
    const head = this.heads[i];
    const rests = this.rests(head);
    const rows = rests.flatMap(({ address, rounded }, row) =>
      rounded && [from, into].includes(this.gridOf(address)) ? [row] : [],
    );
    this.#round(head, rows, 'keys', this.gridAddress(into), this.#gather(head, rows, 'keys'));
    return this.gridAddress(from);
  }

  /**
   * Turns keys of the range's head i, rows[j] by the angles of shifts[j]; the rows of a group that
   * stay are rounded together again.
   */
  turn(
    i: number,
    rows: ArrayLike<number>,
    shifts: ArrayLike<number>,
    angles: (shift: number) => Angles,
  ): void {
    const head = this.heads[i];
    const { headDim: d } = this.shape;
    const rests = this.rests(head);
    const groups = new Map<Address, number[]>();
    for (let j = 0; j < rows.length; j++) {
      const { address, rounded } = rests[rows[j]];
      if (!rounded) {
        if (shifts[j] !== 0) this.#backend.ropeShift(address, angles(shifts[j]), 1, d, 'f16');
        continue;
      }
      const members = groups.get(address);
      if (members) members.push(j);
      else groups.set(address, [j]);
    }
    for (const [grid, members] of groups) {
      if (members.every((j) => shifts[j] === 0)) continue;
      const own = members.map((j) => rows[j]);
      const numbers = this.#gather(head, own, 'keys');
      members.forEach((j, at) => {
        if (shifts[j] !== 0)
          this.#backend.ropeShift(numbers + at * d * 4, angles(shifts[j]), 1, d, 'f32');
      });
      this.#round(head, own, 'keys', grid, numbers);
    }
  }
}
