// SentencePiece as llama.cpp runs it: characters, joined to tokens of the highest score first; what
// is no token falls into bytes.
import { ModelFormatError } from '../../errors.ts';
import type { Encoder } from './bpe.ts';
import { Joiner } from './join.ts';
import { PrefixHashes, type TextTable } from './text-table.ts';
import { splitsPair } from './unicode.ts';
import { WordCache } from './word-cache.ts';

export const SPACE_MARK = '\u2581';
const MARK = SPACE_MARK.charCodeAt(0);
const BLANK = 0x20;
/** Stands for a character that has no token and no bytes; neighbours become one unknown token. */
const UNKNOWN = -1;

export interface SpmOptions {
  /** Of each token; the token of the highest is made first. */
  readonly scores: Float32Array;
  /** Whether a space goes in front of a text and behind special tokens. */
  readonly prefix: boolean;
  readonly unknown: number | undefined;
}

export function readScores(scores: readonly unknown[], count: number, file: string): Float32Array {
  if (scores.length < count) {
    throw new ModelFormatError(
      `${file}: ${scores.length} scores for ${count} tokens, expected one each: get another ` +
        `copy of the file`,
    );
  }
  return Float32Array.from({ length: count }, (_, id) => Number(scores[id]));
}

export function createSpm(
  texts: readonly string[],
  table: TextTable,
  { scores, prefix, unknown }: SpmOptions,
): Encoder {
  const joiner = new Joiner();
  const cache = new WordCache();
  const hashes = new PrefixHashes();
  const inside = new InsidePairs(texts);
  const byteTokens = Int32Array.from({ length: 256 }, (_, byte) => {
    const id = table.find(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
    return id >= 0 || byte >= 0x80 ? id : table.find(String.fromCharCode(byte));
  });
  const hasBytes = byteTokens.every((id) => id >= 0);
  const utf8 = new TextEncoder();

  let word = '';
  let begins = new Int32Array(64);
  let ends = new Int32Array(64);
  const tokenAt = (begin: number, end: number) =>
    end - begin > table.longest ? -1 : table.find(word, begin, end, hashes.hash(begin, end));
  const rank = (left: number, right: number) => {
    const id = tokenAt(begins[left], ends[right]);
    return id < 0 ? Infinity : rankOf(scores[id]);
  };
  const join = (left: number, right: number) => {
    ends[left] = ends[right];
  };

  const encodeWord = (text: string): number[] => {
    word = text;
    hashes.read(word);
    if (begins.length < word.length) {
      begins = new Int32Array(word.length);
      ends = new Int32Array(word.length);
    }
    let count = 0;
    for (let i = 0; i < word.length; count++) {
      begins[count] = i;
      i += word.codePointAt(i)! >= 0x10000 ? 2 : 1;
      ends[count] = i;
    }
    joiner.run(count, rank, join);
    const tokens: number[] = [];
    for (let i = 0; i >= 0; i = joiner.next[i]) {
      const id = tokenAt(begins[i], ends[i]);
      if (id >= 0) {
        tokens.push(id);
        continue;
      }
      const bytes = utf8.encode(word.slice(begins[i], ends[i]));
      if (bytes.every((byte) => byteTokens[byte] >= 0))
        for (const byte of bytes) tokens.push(byteTokens[byte]);
      else tokens.push(UNKNOWN);
    }
    if (word.length > KEPT) {
      begins = new Int32Array(64);
      ends = new Int32Array(64);
    }
    word = '';
    return tokens;
  };

  const cuts = (text: string, at: number) =>
    !inside.has(markOf(text.charCodeAt(at - 1)), markOf(text.charCodeAt(at))) &&
    !splitsPair(text, at, text.length);
  return {
    encode(text, opens, out) {
      if (text === '') return;
      // replaced behind the space in front: a text made of two would be put together at each look
      const marked = (prefix && opens ? ` ${text}` : text).replaceAll(' ', SPACE_MARK);
      let last = 0;
      for (let begin = 0, end = 1; end <= marked.length; end++) {
        if (end < marked.length && !cuts(marked, end)) continue;
        const part = marked.slice(begin, end);
        for (const token of cache.get(part) ?? cache.set(part, encodeWord(part))) {
          if (token !== UNKNOWN) out.push(token);
          else if (last !== UNKNOWN && unknown !== undefined) out.push(unknown);
          last = token;
        }
        begin = end;
      }
    },
    cutsAt(text, at, end) {
      if (at === 0) return true;
      if (splitsPair(text, at, end)) return false;
      // unknown characters that lie side by side are one token
      if (!hasBytes && table.find(String.fromCharCode(markOf(text.charCodeAt(at - 1)))) < 0)
        return false;
      const left = markOf(text.charCodeAt(at - 1));
      return at < end ? !inside.has(left, markOf(text.charCodeAt(at))) : !inside.continues(left);
    },
  };
}

/** Room for a word's characters that is kept between words. */
const KEPT = 1 << 14;

const markOf = (unit: number) => (unit === BLANK ? MARK : unit);
/** Joins go by score, the highest first; what is no number comes last. */
const rankOf = (score: number) => (score > -Number.MAX_VALUE ? -score : Number.MAX_VALUE);

/** Which units stand side by side inside a token: nothing is joined across two that never do. */
class InsidePairs {
  /**
   * One bit a pair by its hash, so that pairs may be taken for one that is inside: a word is then
   * longer, its tokens are the same.
   */
  readonly #pairs: Uint32Array;
  readonly #mask: number;
  readonly #continued = new Uint32Array(0x10000 / 32);

  constructor(texts: readonly string[]) {
    const bits = Math.min(24, Math.max(16, Math.ceil(Math.log2(texts.length * 8 + 1))));
    this.#pairs = new Uint32Array(2 ** (bits - 5));
    this.#mask = 2 ** bits - 1;
    for (const text of texts) {
      let left = text.charCodeAt(0);
      for (let i = 1; i < text.length; i++) {
        const right = text.charCodeAt(i);
        const bit = this.#bitOf(left, right);
        this.#pairs[bit >>> 5] |= 1 << (bit & 31);
        this.#continued[left >>> 5] |= 1 << (left & 31);
        left = right;
      }
    }
  }

  #bitOf(left: number, right: number): number {
    const mixed = Math.imul(Math.imul(left, 0x9e3779b1) ^ right, 0x85ebca6b);
    return (mixed ^ (mixed >>> 13)) & this.#mask;
  }

  has(left: number, right: number): boolean {
    const bit = this.#bitOf(left, right);
    return ((this.#pairs[bit >>> 5] >>> (bit & 31)) & 1) === 1;
  }

  /** Whether anything stands behind a unit inside some token. */
  continues(left: number): boolean {
    return ((this.#continued[left >>> 5] >>> (left & 31)) & 1) === 1;
  }
}
