// Byte-level BPE: words of a text, as bytes that each are a token, joined by the ranks of the
// file's merges.
import { describeValue } from '../../arguments.ts';
import { ModelFormatError } from '../../errors.ts';
import { Joiner } from './join.ts';
import type { PreTokenizer } from './pre-tokenizer.ts';
import { splitWords } from './split-words.ts';
import type { TextTable } from './text-table.ts';
import { splitsPair } from './unicode.ts';
import { WordCache } from './word-cache.ts';
import { endsWord } from './word-ends.ts';

/**
 * The character that stands for each byte: itself where it can be seen, else one from U+0100 on.
 */
const byteUnits = new Uint16Array(256);
/** Back again; -1 where a character stands for no byte. */
export const unitBytes = new Int16Array(0x180).fill(-1);
for (let byte = 0, extra = 0x100; byte < 256; byte++) {
  const seen = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  byteUnits[byte] = seen ? byte : extra++;
  unitBytes[byteUnits[byte]] = byte;
}

export interface Encoder {
  /**
   * Appends the tokens of a text without special tokens in it. `opens`: nothing or a special token
   * stands before it.
   */
  encode(text: string, opens: boolean, out: number[]): void;
  /**
   * Whether text may be cut at `at`, before the end of what is known of it: both sides give the
   * same tokens by themselves.
   */
  cutsAt(text: string, at: number, end: number): boolean;
}

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

export function createBpe(
  texts: readonly string[],
  table: TextTable,
  merges: readonly string[],
  kind: PreTokenizer,
): Encoder {
  const pairs = new Merges(texts, table, merges);
  const joiner = new Joiner();
  const cache = new WordCache();
  let ids = new Int32Array(64);
  let joined = 0;
  const rank = (left: number, right: number) => pairs.rank(ids[left], ids[right]);
  const join = (left: number, right: number) => {
    ids[left] = pairs.joined(ids[left], ids[right]);
  };

  const encodeWord = (word: string): number[] => {
    if (kind.ignoreMerges && word.length <= table.longest) {
      const id = table.find(bytesAsText(word));
      if (id >= 0) return [id];
    }
    if (ids.length < word.length * 3) ids = new Int32Array(word.length * 3);
    joined = bytesOf(word, (byte, i) => {
      ids[i] = pairs.ofByte[byte];
    });
    joiner.run(joined, rank, join);
    const tokens: number[] = [];
    for (let i = 0; i >= 0; i = joiner.next[i]) pairs.emit(ids[i], tokens);
    if (ids.length > KEPT) ids = new Int32Array(64);
    return tokens;
  };

  return {
    encode(text, _opens, out) {
      splitWords(text, kind, (begin, end) => {
        const word = text.slice(begin, end);
        const tokens = cache.get(word) ?? cache.set(word, encodeWord(word));
        for (const token of tokens) out.push(token);
      });
    },
    cutsAt: (text, at, end) => !splitsPair(text, at, end) && endsWord(text, at, end, kind),
  };
}

/** Room for a word's bytes that is kept between words. */
const KEPT = 1 << 14;

/**
 * What may be joined with what, by rank, and to which token. Texts that are no tokens have numbers
 * behind the vocabulary's.
 */
class Merges {
  readonly ofByte = new Int32Array(256);
  readonly #lefts: Int32Array;
  readonly #rights: Int32Array;
  readonly #joined: Int32Array;
  /** Open addressing; rank + 1, 0 where nothing lies. */
  readonly #slots: Int32Array;
  readonly #tokens: number;
  readonly #table: TextTable;
  readonly #others: string[] = [];

  constructor(texts: readonly string[], table: TextTable, merges: readonly string[]) {
    this.#tokens = texts.length;
    this.#table = table;
    const others = new Map<string, number>();
    const numberOf = (part: string): number => {
      let other = others.get(part);
      if (other === undefined) {
        other = texts.length + this.#others.length;
        others.set(part, other);
        this.#others.push(part);
      }
      return other;
    };
    const idOf = (text: string, begin: number, end: number): number => {
      const id = table.find(text, begin, end);
      return id >= 0 ? id : numberOf(text.slice(begin, end));
    };
    for (let byte = 0; byte < 256; byte++)
      this.ofByte[byte] = idOf(String.fromCharCode(byteUnits[byte]), 0, 1);
    const count = merges.length;
    this.#lefts = new Int32Array(count);
    this.#rights = new Int32Array(count);
    this.#joined = new Int32Array(count);
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(2, count * 2))));
    const mask = this.#slots.length - 1;
    for (let rank = 0; rank < count; rank++) {
      const merge = merges[rank];
      const space = merge.indexOf(' ', 1);
      const left = idOf(merge, 0, space);
      const right = idOf(merge, space + 1, merge.length);
      const both = table.findWithout(merge, space);
      this.#lefts[rank] = left;
      this.#rights[rank] = right;
      this.#joined[rank] =
        both >= 0 ? both : numberOf(merge.slice(0, space) + merge.slice(space + 1));
      let slot = slotOf(left, right, mask);
      while (this.#slots[slot] !== 0 && !this.#is(this.#slots[slot] - 1, left, right))
        slot = (slot + 1) & mask;
      // of two equal ones the first counts
      if (this.#slots[slot] === 0) this.#slots[slot] = rank + 1;
    }
  }

  #is(rank: number, left: number, right: number): boolean {
    return this.#lefts[rank] === left && this.#rights[rank] === right;
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

  /**
   * Appends a token; a text that is none gives the tokens of its characters, as far as these are
   * ASCII (llama.cpp's habit).
   */
  emit(id: number, out: number[]): void {
    if (id < this.#tokens) {
      out.push(id);
      return;
    }
    const text = this.#others[id - this.#tokens];
    for (let i = 0; i < text.length; i++) {
      const token = text.charCodeAt(i) < 0x80 ? this.#table.find(text, i, i + 1) : -1;
      if (token >= 0) out.push(token);
    }
  }
}

function slotOf(left: number, right: number, mask: number): number {
  const mixed = Math.imul(Math.imul(left, 0x9e3779b1) ^ right, 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) & mask;
}

/** Calls `take` with the bytes of a well-formed text; returns how many there are. */
function bytesOf(text: string, take: (byte: number, at: number) => void): number {
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.codePointAt(i)!;
    if (c < 0x80) take(c, at++);
    else {
      if (c < 0x800) take(0xc0 | (c >> 6), at++);
      else {
        if (c < 0x10000) take(0xe0 | (c >> 12), at++);
        else {
          take(0xf0 | (c >> 18), at++);
          take(0x80 | ((c >> 12) & 63), at++);
          i++;
        }
        take(0x80 | ((c >> 6) & 63), at++);
      }
      take(0x80 | (c & 63), at++);
    }
  }
  return at;
}

function bytesAsText(word: string): string {
  let text = '';
  bytesOf(word, (byte) => {
    text += String.fromCharCode(byteUnits[byte]);
  });
  return text;
}
