// The texts of a file's array as bytes, one behind the other, each a string only where one is asked
// for: the tokens and merges of a large vocabulary are some 300,000.
import type { Metadata } from './gguf.ts';
import { characterAt, isWellFormed, sizeOf, textOf } from './utf8.ts';

/**
 * Room for each text. Vocabularies have 7 to 14 bytes a text, and what is never written to takes no
 * memory.
 */
const ROOM = 16;
const SURROGATES = 0x10000;

export class TextList {
  /** Well-formed UTF-8. */
  #bytes: Uint8Array;
  /** Where each text begins; behind the last, where it ends. */
  readonly #begins: Uint32Array;
  #length = 0;
  #longest = 0;

  /** Of `count` texts, none of which is there yet. */
  constructor(count: number) {
    this.#bytes = new Uint8Array(ROOM * count);
    this.#begins = new Uint32Array(count + 1);
  }

  static of(texts: readonly string[]): TextList {
    const list = new TextList(texts.length);
    for (const text of texts) list.push(text);
    return list;
  }

  get length(): number {
    return this.#length;
  }

  /** Bytes of the longest, at least as many as its units. */
  get longest(): number {
    return this.#longest;
  }

  push(text: string): void {
    const bytes = utf8.encode(text);
    this.#append(bytes, 0, bytes.length);
  }

  /** Appends bytes [begin, end) as a text; invalid UTF-8 becomes U+FFFD. */
  pushBytes(bytes: Uint8Array, begin: number, end: number): void {
    if (isWellFormed(bytes, begin, end)) this.#append(bytes, begin, end);
    else this.push(textOf(bytes, begin, end));
  }

  #append(bytes: Uint8Array, begin: number, end: number): void {
    const at = this.#begins[this.#length];
    const after = at + end - begin;
    if (after > this.#bytes.length) {
      const old = this.#bytes;
      this.#bytes = new Uint8Array(Math.max(after, Math.ceil(1.5 * old.length)));
      this.#bytes.set(old);
    }
    // (a view of each would take longer than most texts)
    for (let from = begin, to = at; from < end; from++, to++) this.#bytes[to] = bytes[from];
    this.#length++;
    this.#begins[this.#length] = after;
    this.#longest = Math.max(this.#longest, end - begin);
  }

  at(index: number): string {
    return textOf(this.#bytes, this.#begins[index], this.#begins[index + 1]);
  }

  byteLength(index: number): number {
    return this.#begins[index + 1] - this.#begins[index];
  }

  /** Where a byte below 128 is in a text, from byte `from` on; -1 where it is not. */
  indexOf(index: number, byte: number, from: number): number {
    const begin = this.#begins[index];
    const end = this.#begins[index + 1];
    for (let at = begin + from; at < end; at++) if (this.#bytes[at] === byte) return at - begin;
    return -1;
  }

  /** Reads a text's units, of which `longest` have room, and gives how many there are. */
  read(index: number, units: Uint16Array): number {
    const bytes = this.#bytes;
    const end = this.#begins[index + 1];
    let count = 0;
    for (let at = this.#begins[index]; at < end;) {
      const character = characterAt(bytes, at);
      at += sizeOf(character);
      if (character < SURROGATES) units[count++] = character;
      else {
        units[count++] = 0xd800 + ((character - SURROGATES) >> 10);
        units[count++] = 0xdc00 + (character & 0x3ff);
      }
    }
    return count;
  }

  /** Whether a text is units [begin, end) but the one at `gap`, if that is among them. */
  isUnits(index: number, units: Uint16Array, begin: number, end: number, gap = end): boolean {
    const bytes = this.#bytes;
    const last = this.#begins[index + 1];
    let at = this.#begins[index];
    for (let i = begin; i < end; i++) {
      if (i === gap) continue;
      if (at === last) return false;
      const character = characterAt(bytes, at);
      at += sizeOf(character);
      if (character < SURROGATES) {
        if (units[i] !== character) return false;
        continue;
      }
      if (units[i] !== 0xd800 + ((character - SURROGATES) >> 10)) return false;
      if (++i === gap) i++;
      if (i >= end || units[i] !== 0xdc00 + (character & 0x3ff)) return false;
    }
    return at === last;
  }

  *[Symbol.iterator](): Generator<string, undefined> {
    for (let index = 0; index < this.#length; index++) yield this.at(index);
    return undefined;
  }
}

const utf8 = new TextEncoder();
const listsOf = new WeakMap<Metadata, ReadonlyMap<string, TextList>>();

/** Metadata whose lists of texts become arrays when they are first looked at. */
export function metadataOf(values: ReadonlyMap<string, unknown>): Metadata {
  const metadata: Metadata = {};
  const lists = new Map<string, TextList>();
  for (const [key, value] of values) {
    const isList = value instanceof TextList;
    if (isList) lists.set(key, value);
    // an own property whatever it is called, '__proto__' too
    Object.defineProperty(metadata, key, {
      enumerable: true,
      configurable: true,
      ...(isList ? { get: arrayOf(value) } : { value, writable: true }),
    });
  }
  listsOf.set(metadata, lists);
  return metadata;
}

function arrayOf(list: TextList): () => readonly string[] {
  let array: readonly string[] | undefined;
  return () => (array ??= [...list]);
}

/** The texts under a key of a file's metadata as the file has them; undefined for all else. */
export const textsIn = (metadata: Metadata, key: string): TextList | undefined =>
  listsOf.get(metadata)?.get(key);

/** How many items the array under a key has; undefined where there is none. */
export function itemsIn(metadata: Metadata, key: string): number | undefined {
  const list = textsIn(metadata, key) ?? metadata[key];
  return list instanceof TextList || Array.isArray(list) ? list.length : undefined;
}
