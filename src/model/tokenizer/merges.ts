// What byte-pair encoding may join with what, by the ranks of a file's merges, and to which token.
import { describeValue } from '../../arguments.ts';
import { ModelFormatError } from '../../errors.ts';
import type { TextTable } from './text-table.ts';

/** Reads merges; throws ModelFormatError for one that is none. */
export function checkMerges(merges: readonly unknown[], file: string): readonly string[] {
  const odd = merges.findIndex((merge) => typeof merge !== 'string' || merge.indexOf(' ', 1) < 0);
  if (odd >= 0) {
    throw new ModelFormatError(
      `${file}: merge ${odd} is ${describeValue(merges[odd])}, expected two texts with a space ` +
        `between: get another copy of the file`,
    );
  }
  return merges as readonly string[];
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

  constructor(tokens: number, table: TextTable, merges: readonly string[]) {
    this.#tokens = tokens;
    this.#table = table;
    const count = merges.length;
    this.#lefts = new Int32Array(count);
    this.#rights = new Int32Array(count);
    this.#joined = new Int32Array(count);
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(2, count * 2))));
    const mask = this.#slots.length - 1;
    for (let rank = 0; rank < count; rank++) {
      const merge = merges[rank];
      const space = merge.indexOf(' ', 1);
      const left = this.#numberOf(merge, 0, space);
      const right = this.#numberOf(merge, space + 1, merge.length);
      const both = table.findWithout(merge, space);
      this.#lefts[rank] = left;
      this.#rights[rank] = right;
      this.#joined[rank] =
        both >= 0 ? both : this.#otherNumber(merge.slice(0, space) + merge.slice(space + 1));
      let slot = slotOf(left, right, mask);
      while (this.#slots[slot] !== 0 && !this.#is(this.#slots[slot] - 1, left, right))
        slot = (slot + 1) & mask;
      // of two equal ones the first counts
      if (this.#slots[slot] === 0) this.#slots[slot] = rank + 1;
    }
  }

  #numberOf(text: string, begin: number, end: number): number {
    const id = this.#table.find(text, begin, end);
    return id >= 0 ? id : this.#otherNumber(text.slice(begin, end));
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
