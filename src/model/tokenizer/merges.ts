// What byte-pair encoding may join with what, by the ranks of a file's merges, and to which token.
import { describeValue } from '../../arguments.ts';
import { ModelFormatError } from '../../errors.ts';
import type { TextList } from '../text-list.ts';
import type { TextTable } from './text-table.ts';
import { textOfUnits } from './unicode.ts';

export const SPACE = 0x20;

/** The error of a merge that is none. */
export const wrongMerge = (rank: number, merge: unknown, file: string): ModelFormatError =>
  new ModelFormatError(
    `${file}: merge ${rank} is ${describeValue(merge)}, expected two texts with a space between: ` +
      'get another copy of the file',
  );

/** Throws ModelFormatError for a merge that is none. */
export function checkMerges(merges: TextList, file: string): TextList {
  for (let rank = 0; rank < merges.length; rank++)
    if (merges.indexOf(rank, SPACE, 1) < 0) throw wrongMerge(rank, merges.at(rank), file);
  return merges;
}

/** Texts have numbers: those of tokens, and behind the vocabulary those that merges alone name. */
export class Merges {
  readonly #lefts: Int32Array;
  readonly #rights: Int32Array;
  readonly #joined: Int32Array;
  /** Open addressing; rank + 1, 0 where nothing lies. */
  readonly #slots: Int32Array;
  readonly #tokens: number;
  readonly #table: TextTable;
  readonly #others: string[] = [];
  readonly #otherNumbers = new Map<string, number>();

  constructor(tokens: number, table: TextTable, merges: TextList) {
    this.#tokens = tokens;
    this.#table = table;
    const count = merges.length;
    this.#lefts = new Int32Array(count);
    this.#rights = new Int32Array(count);
    this.#joined = new Int32Array(count);
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(2, count * 2))));
    const mask = this.#slots.length - 1;
    const units = new Uint16Array(merges.longest);
    for (let rank = 0; rank < count; rank++) {
      const end = merges.read(rank, units);
      const space = units.indexOf(SPACE, 1);
      const left = this.#numberOf(units, 0, space);
      const right = this.#numberOf(units, space + 1, end);
      this.#lefts[rank] = left;
      this.#rights[rank] = right;
      this.#joined[rank] = this.#numberOf(units, 0, end, space);
      let slot = slotOf(left, right, mask);
      while (this.#slots[slot] !== 0 && !this.#is(this.#slots[slot] - 1, left, right))
        slot = (slot + 1) & mask;
      // of two equal ones the first counts
      if (this.#slots[slot] === 0) this.#slots[slot] = rank + 1;
    }
  }

  /** The number of units [begin, end) but the one at `gap`, if that is among them. */
  #numberOf(units: Uint16Array, begin: number, end: number, gap = end): number {
    const id = this.#table.findUnits(units, begin, end, gap);
    if (id >= 0) return id;
    return this.#otherNumber(textOfUnits(units, begin, gap) + textOfUnits(units, gap + 1, end));
  }

  #otherNumber(text: string): number {
    let number = this.#otherNumbers.get(text);
    if (number === undefined) {
      number = this.#tokens + this.#others.length;
      this.#otherNumbers.set(text, number);
      this.#others.push(text);
    }
    return number;
  }

  #is(rank: number, left: number, right: number): boolean {
    return this.#lefts[rank] === left && this.#rights[rank] === right;
  }

  /** The number of units [begin, end) of a text, -1 where neither tokens nor merges have it. */
  find(text: string, begin: number, end: number): number {
    const id = this.#table.find(text, begin, end);
    if (id >= 0 || this.#others.length === 0) return id;
    return this.#otherNumbers.get(text.slice(begin, end)) ?? -1;
  }

  rank(left: number, right: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = slotOf(left, right, mask); this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      if (this.#is(this.#slots[slot] - 1, left, right)) return this.#slots[slot] - 1;
    }
    return Infinity;
  }

  joined(left: number, right: number): number {
    return this.#joined[this.rank(left, right)];
  }

  isToken(number: number): boolean {
    return number >= 0 && number < this.#tokens;
  }

  /** The text of a number that is no token's. */
  otherText(number: number): string {
    return this.#others[number - this.#tokens];
  }
}

function slotOf(left: number, right: number, mask: number): number {
  const mixed = Math.imul(Math.imul(left, 0x9e3779b1) ^ right, 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) & mask;
}
