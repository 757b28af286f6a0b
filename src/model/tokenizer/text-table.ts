// Which token has a given text: one table over all texts of a vocabulary, asked with a stretch of a
// longer text, which is never copied.
import type { TextList } from '../text-list.ts';

const FACTOR = 0x9e3779b1;

/**
 * The hash of units [begin, end): a polynomial, so that a stretch's hash follows from those of two
 * prefixes.
 */
export function hashOf(text: string, begin: number, end: number, before = 0): number {
  let hash = before;
  for (let i = begin; i < end; i++) hash = (Math.imul(hash, FACTOR) + text.charCodeAt(i) + 1) | 0;
  return hash;
}

/** The same of units but the one at `gap`, if that is among them. */
function hashOfUnits(units: Uint16Array, begin: number, end: number, gap = end): number {
  let hash = 0;
  for (let i = begin; i < end; i++)
    if (i !== gap) hash = (Math.imul(hash, FACTOR) + units[i] + 1) | 0;
  return hash;
}

export class TextTable {
  readonly #texts: TextList;
  readonly #hashes: Int32Array;
  /** Open addressing; id + 1, 0 where nothing lies. Half full at most. */
  readonly #slots: Int32Array;
  /** Units of the text at hand. */
  readonly #units: Uint16Array;
  /** Units of the longest text. */
  readonly longest: number;

  /** Of equal texts the first has the entry. */
  constructor(texts: TextList) {
    this.#texts = texts;
    this.#units = new Uint16Array(texts.longest);
    this.#hashes = new Int32Array(texts.length);
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(2, texts.length * 2))));
    const mask = this.#slots.length - 1;
    let longest = 0;
    for (let id = 0; id < texts.length; id++) {
      const length = texts.read(id, this.#units);
      longest = Math.max(longest, length);
      const hash = hashOfUnits(this.#units, 0, length);
      this.#hashes[id] = hash;
      let slot = slotOf(hash, mask);
      while (this.#slots[slot] !== 0 && !this.#is(slot, hash, this.#units, 0, length))
        slot = (slot + 1) & mask;
      if (this.#slots[slot] === 0) this.#slots[slot] = id + 1;
    }
    this.longest = longest;
  }

  #is(
    slot: number,
    hash: number,
    units: Uint16Array,
    begin: number,
    end: number,
    gap = end,
  ): boolean {
    const id = this.#slots[slot] - 1;
    return this.#hashes[id] === hash && this.#texts.isUnits(id, units, begin, end, gap);
  }

  /** The token whose text is units [begin, end), -1 where there is none. */
  find(text: string, begin = 0, end = text.length, hash = hashOf(text, begin, end)): number {
    const length = end - begin;
    // most stretches are no token: their units are looked at where a hash is that of one
    if (length > this.longest || !this.#hasHash(hash)) return -1;
    for (let i = 0; i < length; i++) this.#units[i] = text.charCodeAt(begin + i);
    return this.#find(hash, this.#units, 0, length);
  }

  #hasHash(hash: number): boolean {
    const mask = this.#slots.length - 1;
    for (let slot = slotOf(hash, mask); this.#slots[slot] !== 0; slot = (slot + 1) & mask)
      if (this.#hashes[this.#slots[slot] - 1] === hash) return true;
    return false;
  }

  /** The same of units [begin, end) but the one at `gap`. */
  findUnits(units: Uint16Array, begin: number, end: number, gap = end): number {
    return this.#find(hashOfUnits(units, begin, end, gap), units, begin, end, gap);
  }

  #find(hash: number, units: Uint16Array, begin: number, end: number, gap = end): number {
    const mask = this.#slots.length - 1;
    for (let slot = slotOf(hash, mask); this.#slots[slot] !== 0; slot = (slot + 1) & mask)
      if (this.#is(slot, hash, units, begin, end, gap)) return this.#slots[slot] - 1;
    return -1;
  }
}

function slotOf(hash: number, mask: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (mixed ^ (mixed >>> 13)) & mask;
}

/** Room for a text's hashes that is kept for the next one. */
const KEPT = 1 << 14;

/** Hashes of all prefixes of a text, by which the hash of any stretch takes two steps. */
export class PrefixHashes {
  #prefixes = new Int32Array(64);
  #powers = Int32Array.of(1);

  read(text: string): void {
    const { length } = text;
    if (this.#prefixes.length <= length || this.#prefixes.length > KEPT) {
      this.#prefixes = new Int32Array(Math.max(64, 2 * length + 1));
      this.#powers = this.#powers.slice(0, Math.max(1, 2 * length + 1));
    }
    let hash = 0;
    this.#prefixes[0] = 0;
    for (let i = 0; i < length; i++) {
      hash = (Math.imul(hash, FACTOR) + text.charCodeAt(i) + 1) | 0;
      this.#prefixes[i + 1] = hash;
    }
    if (this.#powers.length <= length) {
      const from = this.#powers.length;
      const powers = new Int32Array(2 * length + 1);
      powers.set(this.#powers);
      for (let i = from; i < powers.length; i++) powers[i] = Math.imul(powers[i - 1], FACTOR);
      this.#powers = powers;
    }
  }

  hash(begin: number, end: number): number {
    return (this.#prefixes[end] - Math.imul(this.#prefixes[begin], this.#powers[end - begin])) | 0;
  }
}
