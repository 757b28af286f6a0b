// What rows on shared grids (KIVI, assembly/rows/kivi.ts) need beside their columns: the grids of a
// range's groups, and the newest rows of each head as f16, in slots, until a group of them is
// rounded. Rows name themselves what they need, by number, so nothing here has to follow when they
// move or go: which grids and slots are taken is read off the rows.
//
//   a range:  grids [grids][gridBytes], the last one first
//             | rest: of each head: slots of keys f16 [slots, d] | slots of values f16 [slots, d]
//
// Grids are counted from `rest` backwards, slots from there on through all heads.
//
// Rows that are not rounded are always the last ones of their head. Evicting thins groups out;
// where no grid is free, the two groups of a head with the fewest rows become one, which rounds
// those rows again. A grid is always to be had: with more grids than a 32nd of all rows, and one a
// head, some head has two groups of no more than 64 rows together.
import type { Angles } from '../backend.ts';
import type { EvenShape } from '../cache-shape.ts';
import { GROUP, gridsOf, MOST_ROWS, SETTLED_SLOTS, slotsOf } from '../group-sizes.ts';
import { gridBytes, rowBytes, type RowSide } from '../dtype.ts';
import { gridAddress, namedBy, tailOf, unroundedAddress } from '../row-codec.ts';
import type { Address, Tensor } from '../tensor.ts';
import type { CpuBackend, HeadRows } from './memory.ts';

/** One range's grids and slots. */
export class Groups {
  readonly grids: number;
  readonly slots: number;
  readonly #backend: CpuBackend;
  readonly shape: EvenShape;
  readonly heads: readonly HeadRows[];
  readonly #rest: Address;
  readonly #numbers: Address; // f32 [MOST_ROWS, d]
  readonly #list: Address; // i32 [MOST_ROWS]

  /** `address` is where rangeBytes() are, `scratch` where scratchBytes() are. */
  constructor(
    backend: CpuBackend,
    shape: EvenShape,
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
    this.#rest = address + this.grids * gridBytes(shape.rowType, shape.headDim);
    for (const head of heads) head.rest = this.#rest;
    this.#numbers = scratch;
    this.#list = scratch + MOST_ROWS * shape.headDim * 4;
  }

  /** Where grid g lies. */
  gridAddress(g: number): Address {
    return gridAddress(this.#rest, g, this.shape.headDim, this.shape.rowType);
  }

  /** Where the slot of a number lies. */
  slotAddress(number: number): Address {
    return unroundedAddress(this.#rest, number, this.shape.headDim);
  }

  /** The number of slot s of the range's head i. */
  slotNumber(i: number, s: number, side: RowSide): number {
    return (2 * i + (side === 'values' ? 1 : 0)) * this.slots + s;
  }

  /** The last words of a head's rows, and how many words lie from one to the next. */
  tails(head: HeadRows, side: RowSide): { words: Int32Array; step: number } {
    const step = rowBytes(this.shape.rowType, this.shape.headDim, side) / 4;
    return { words: this.#backend.ints(head[side], head.length * step), step };
  }

  /** What each row names, from row `from` on; values that are rounded name nothing. */
  named(head: HeadRows, from = 0, side: RowSide = 'keys'): ReturnType<typeof namedBy>[] {
    const { words, step } = this.tails(head, side);
    return Array.from({ length: head.length - from }, (_, i) =>
      namedBy(words[(from + i + 1) * step - 1]),
    );
  }

  /** How many rows at the end of a head are not rounded. */
  unrounded(head: HeadRows): number {
    const { words, step } = this.tails(head, 'keys');
    let count = 0;
    while (count < head.length && !namedBy(words[(head.length - count) * step - 1]).rounded)
      count++;
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
    const first = this.slotNumber(i, 0, 'keys');
    for (const { number } of this.named(head, head.length - unrounded)) taken[number - first] = 1;
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
        const to = this.slotAddress(this.slotNumber(i, slots[t], side));
        this.#backend.storeRows(to, rows, h, run, d, 'f16');
        t += run;
      }
      slots.forEach((s, t) => {
        words[(head.length + t + 1) * step - 1] = tailOf(this.slotNumber(i, s, side), false);
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
    this.#backend.gatherRows(this.#numbers, head, this.#list, rows.length, d, rowType, side);
    return this.#numbers;
  }

  /** Rounds numbers as the rows that were gathered last. */
  #round(
    head: HeadRows,
    rows: readonly number[],
    side: RowSide,
    grid: number,
    numbers: Address,
  ): void {
    const { headDim: d, rowType } = this.shape;
    this.#backend.groupRows(head, this.#list, numbers, grid, rows.length, d, rowType, side);
  }

  /** A grid that no row needs. */
  #freeGrid(): number {
    const counts = new Int32Array(this.grids);
    const owners = new Int32Array(this.grids);
    this.heads.forEach((head, i) => {
      const { words, step } = this.tails(head, 'keys');
      for (let at = step - 1; at < words.length; at += step) {
        const { number, rounded } = namedBy(words[at]);
        if (!rounded) break; // and none behind it
        counts[number]++;
        owners[number] = i;
      }
    });
    const free = counts.indexOf(0);
    return free >= 0 ? free : this.#merge(counts, owners);
  }

  /**
   * Puts the two groups of one head that have the fewest rows together, and gives the grid that
   * this frees.
   */
  #merge(counts: Int32Array, owners: Int32Array): number {
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
    const rows = this.named(head).flatMap(({ number, rounded }, row) =>
      rounded && [from, into].includes(number) ? [row] : [],
    );
    this.#round(head, rows, 'keys', into, this.#gather(head, rows, 'keys'));
    return from;
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
    const named = this.named(head);
    const groups = new Map<number, number[]>();
    for (let j = 0; j < rows.length; j++) {
      const { number, rounded } = named[rows[j]];
      if (!rounded) {
        const key = this.slotAddress(number);
        if (shifts[j] !== 0) this.#backend.ropeShift(key, angles(shifts[j]), 1, d, 'f16');
        continue;
      }
      const members = groups.get(number);
      if (members) members.push(j);
      else groups.set(number, [j]);
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
