// SentencePiece as llama.cpp runs it: characters, joined to tokens of the highest score first; what
// is no token falls into bytes.
import { ModelFormatError } from '../../errors.ts';
import type { TextList } from '../text-list.ts';
import type { Encoder } from './bpe.ts';
import { InsidePairs } from './inside-pairs.ts';
import { Joiner } from './join.ts';
import { bytesOfText, markOf, SPACE_MARK, tokensOfBytes } from './marked-text.ts';
import { PrefixHashes, type TextTable } from './text-table.ts';
import { splitsPair } from './unicode.ts';
import { WordCache } from './word-cache.ts';

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

export const createSpm = (texts: TextList, table: TextTable, options: SpmOptions): Encoder =>
  new Spm(texts, table, options);

class Spm implements Encoder {
  readonly #table: TextTable;
  readonly #scores: Float32Array;
  readonly #prefix: boolean;
  readonly #unknown: number | undefined;
  readonly #joiner = new Joiner();
  readonly #cache = new WordCache();
  readonly #hashes = new PrefixHashes();
  readonly #inside: InsidePairs;
  readonly #byteTokens: Int32Array;
  readonly #hasBytes: boolean;
  /** The word that is encoded, and where its symbols begin and end. */
  #word = '';
  #begins = new Int32Array(64);
  #ends = new Int32Array(64);

  constructor(texts: TextList, table: TextTable, { scores, prefix, unknown }: SpmOptions) {
    this.#table = table;
    this.#scores = scores;
    this.#prefix = prefix;
    this.#unknown = unknown;
    this.#inside = InsidePairs.ofTexts(texts);
    this.#byteTokens = tokensOfBytes(table).map((id, byte) =>
      id >= 0 || byte >= 0x80 ? id : table.find(String.fromCharCode(byte)),
    );
    this.#hasBytes = this.#byteTokens.every((id) => id >= 0);
  }

  encode(text: string, opens: boolean, out: number[]): void {
    if (text === '') return;
    // replaced behind the space in front: a text made of two would be put together at each look
    const marked = (this.#prefix && opens ? ` ${text}` : text).replaceAll(' ', SPACE_MARK);
    const cache = this.#cache;
    let last = 0;
    for (let begin = 0, end = 1; end <= marked.length; end++) {
      if (end < marked.length && !this.#cuts(marked, end)) continue;
      const part = marked.slice(begin, end);
      for (const token of cache.get(part) ?? cache.set(part, this.#encodeWord(part))) {
        if (token !== UNKNOWN) out.push(token);
        else if (last !== UNKNOWN && this.#unknown !== undefined) out.push(this.#unknown);
        last = token;
      }
      begin = end;
    }
  }

  cutsAt(text: string, at: number, end: number): boolean {
    if (at === 0) return true;
    if (splitsPair(text, at, end)) return false;
    // unknown characters that lie side by side are one token
    const left = markOf(text.charCodeAt(at - 1));
    if (!this.#hasBytes && this.#table.find(String.fromCharCode(left)) < 0) return false;
    return !this.#inside.mayHaveAt(text, at, end);
  }

  #cuts(text: string, at: number): boolean {
    return (
      !this.#inside.has(markOf(text.charCodeAt(at - 1)), markOf(text.charCodeAt(at))) &&
      !splitsPair(text, at, text.length)
    );
  }

  #encodeWord(word: string): number[] {
    this.#word = word;
    this.#hashes.read(word);
    const count = this.#split(word);
    this.#joiner.run(count, this.#rank, this.#join);
    const tokens: number[] = [];
    for (let i = 0; i >= 0; i = this.#joiner.next[i]) {
      const id = this.#tokenAt(this.#begins[i], this.#ends[i]);
      if (id >= 0) {
        tokens.push(id);
        continue;
      }
      const bytes = bytesOfText(word, this.#begins[i], this.#ends[i]);
      if (bytes.every((byte) => this.#byteTokens[byte] >= 0))
        for (const byte of bytes) tokens.push(this.#byteTokens[byte]);
      else tokens.push(UNKNOWN);
    }
    if (word.length > KEPT) {
      this.#begins = new Int32Array(64);
      this.#ends = new Int32Array(64);
    }
    this.#word = '';
    return tokens;
  }

  /** Makes each character of a word a symbol; gives how many there are. */
  #split(word: string): number {
    if (this.#begins.length < word.length) {
      this.#begins = new Int32Array(word.length);
      this.#ends = new Int32Array(word.length);
    }
    let count = 0;
    for (let i = 0; i < word.length; count++) {
      this.#begins[count] = i;
      i += word.codePointAt(i)! >= 0x10000 ? 2 : 1;
      this.#ends[count] = i;
    }
    return count;
  }

  #tokenAt(begin: number, end: number): number {
    return end - begin > this.#table.longest
      ? -1
      : this.#table.find(this.#word, begin, end, this.#hashes.hash(begin, end));
  }

  readonly #rank = (left: number, right: number): number => {
    const id = this.#tokenAt(this.#begins[left], this.#ends[right]);
    return id < 0 ? Infinity : rankOf(this.#scores[id]);
  };

  readonly #join = (left: number, right: number): void => {
    this.#ends[left] = this.#ends[right];
  };
}

/** Room for a word's characters that is kept between words. */
const KEPT = 1 << 14;

/** Joins go by score, the highest first; what is no number comes last. */
const rankOf = (score: number) => (score > -Number.MAX_VALUE ? -score : Number.MAX_VALUE);
