// Which token has a given text: one table over all texts of a vocabulary, asked with a stretch of a
// longer text, which is never copied.

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

export class TextTable {
  readonly #texts: readonly string[];
  readonly #hashes: Int32Array;
  /** Open addressing; id + 1, 0 where nothing lies. Half full at most. */
  readonly #slots: Int32Array;
  readonly longest: number;

  /** Of equal texts the first has the entry. */
  constructor(texts: readonly string[]) {
    this.#texts = texts;
    this.#hashes = new Int32Array(texts.length);
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(2, texts.length * 2))));
    const mask = this.#slots.length - 1;
    let longest = 0;
    for (let id = 0; id < texts.length; id++) {
      const { length } = texts[id];
      longest = Math.max(longest, length);
      const hash = hashOf(texts[id], 0, length);
      this.#hashes[id] = hash;
      let slot = slotOf(hash, mask);
      while (this.#slots[slot] !== 0 && texts[this.#slots[slot] - 1] !== texts[id])
        slot = (slot + 1) & mask;
      if (this.#slots[slot] === 0) this.#slots[slot] = id + 1;
    }
    this.longest = longest;
  }

  /** The token whose text is units [begin, end), -1 where there is none. */
  find(text: string, begin = 0, end = text.length, hash = hashOf(text, begin, end)): number {
    const mask = this.#slots.length - 1;
    for (let slot = slotOf(hash, mask); this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const id = this.#slots[slot] - 1;
      if (this.#hashes[id] !== hash || this.#texts[id].length !== end - begin) continue;
      if (text.startsWith(this.#texts[id], begin)) return id;
    }
    return -1;
  }

  /** The token whose text is all of `text` but the unit at `gap`. */
  findWithout(text: string, gap: number): number {
    const hash = hashOf(text, gap + 1, text.length, hashOf(text, 0, gap));
    const mask = this.#slots.length - 1;
    for (let slot = slotOf(hash, mask); this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const id = this.#slots[slot] - 1;
      if (this.#hashes[id] === hash && isWithout(this.#texts[id], text, gap)) return id;
    }
    return -1;
  }
}

/** Whether a text is units [0, gap) and those behind `gap` of another. */
function isWithout(text: string, other: string, gap: number): boolean {
  if (text.length !== other.length - 1) return false;
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) !== other.charCodeAt(i < gap ? i : i + 1)) return false;
  }
  return true;
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
