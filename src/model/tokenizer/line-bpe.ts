// BPE over the characters of whole lines, spaces marked as SentencePiece marks them: gemma4's and
// its kin's. What is no token falls into bytes.
import type { TextList } from '../text-list.ts';
import type { Encoder } from './bpe.ts';
import { InsidePairs } from './inside-pairs.ts';
import { Joiner } from './join.ts';
import { Merges } from './merges.ts';
import { bytesOfText, SPACE_MARK, tokensOfBytes } from './marked-text.ts';
import type { TextTable } from './text-table.ts';
import { splitsPair } from './unicode.ts';
import { WordCache } from './word-cache.ts';

export interface LineKind {
  /** A run of line ends that is a token is not merged. */
  readonly wholeLineEnds?: boolean;
  /** Conversations begin with a BOS whatever the file says. */
  readonly addBos?: boolean;
}

const gemma4: LineKind = { wholeLineEnds: true, addBos: true };

/** By the names that files have for their pre-tokenizers. */
export const lineKinds: ReadonlyMap<string, LineKind> = new Map([
  ['gemma4', gemma4],
  ['granite-embed-multi-311m', gemma4],
  ['sarvam-moe', {}],
]);

export const createLineBpe = (
  tokens: number,
  table: TextTable,
  merges: TextList,
  kind: LineKind,
): Encoder => new LineBpe(tokens, table, merges, kind);

const LINE_END = 0x0a;

class LineBpe implements Encoder {
  readonly #kind: LineKind;
  readonly #table: TextTable;
  readonly #merges: Merges;
  /** Merges join what stands side by side in one of them, and nothing else. */
  readonly #seams: InsidePairs;
  readonly #byteTokens: Int32Array;
  readonly #joiner = new Joiner();
  readonly #cache = new WordCache();
  /** Of each character of the part at hand: where it begins, the number of what begins there. */
  #begins = new Int32Array(64);
  #numbers = new Int32Array(64);

  constructor(tokens: number, table: TextTable, merges: TextList, kind: LineKind) {
    this.#kind = kind;
    this.#table = table;
    this.#merges = new Merges(tokens, table, merges);
    this.#seams = InsidePairs.ofMerges(merges);
    this.#byteTokens = tokensOfBytes(table);
  }

  encode(text: string, _opens: boolean, out: number[]): void {
    const marked = text.replaceAll(' ', SPACE_MARK);
    const cache = this.#cache;
    for (let begin = 0, end = 1; end <= marked.length; end++) {
      if (end < marked.length && !this.#cuts(marked, end)) continue;
      const part = marked.slice(begin, end);
      for (const token of cache.get(part) ?? cache.set(part, this.#encodePart(part)))
        out.push(token);
      begin = end;
    }
  }

  cutsAt(text: string, at: number, end: number): boolean {
    if (at === 0) return true;
    if (splitsPair(text, at, end)) return false;
    const left = text.charCodeAt(at - 1);
    if (at === end) return left !== LINE_END && !this.#seams.mayHaveAt(text, at, end);
    return this.#endsLine(left, text.charCodeAt(at)) ?? !this.#seams.mayHaveAt(text, at, end);
  }

  /** Whether a well-formed text, spaces marked, can be cut. */
  #cuts(text: string, at: number): boolean {
    const [left, right] = [text.charCodeAt(at - 1), text.charCodeAt(at)];
    return (
      this.#endsLine(left, right) ??
      (!this.#seams.has(left, right) && !splitsPair(text, at, text.length))
    );
  }

  /** Where lines end, their ends are a part of their own; undefined within a line. */
  #endsLine(left: number, right: number): boolean | undefined {
    return left === LINE_END || right === LINE_END ? left !== right : undefined;
  }

  #encodePart(part: string): number[] {
    if (this.#kind.wholeLineEnds && part.charCodeAt(0) === LINE_END) {
      const id = this.#table.find(part);
      if (id >= 0) return [id];
    }
    const count = this.#split(part);
    this.#joiner.run(count, this.#rank, this.#join);
    const { next } = this.#joiner;
    const tokens: number[] = [];
    for (let i = 0; i >= 0; i = next[i]) {
      if (this.#merges.isToken(this.#numbers[i])) {
        tokens.push(this.#numbers[i]);
        continue;
      }
      const end = next[i] < 0 ? part.length : this.#begins[next[i]];
      for (const byte of bytesOfText(part, this.#begins[i], end))
        if (this.#byteTokens[byte] >= 0) tokens.push(this.#byteTokens[byte]);
    }
    if (part.length > KEPT) {
      this.#begins = new Int32Array(64);
      this.#numbers = new Int32Array(64);
    }
    return tokens;
  }

  /** Numbers the characters of a part; gives how many there are. */
  #split(part: string): number {
    if (this.#begins.length < part.length) {
      this.#begins = new Int32Array(part.length);
      this.#numbers = new Int32Array(part.length);
    }
    let count = 0;
    for (let i = 0; i < part.length; count++) {
      const end = i + (part.codePointAt(i)! >= 0x10000 ? 2 : 1);
      this.#begins[count] = i;
      this.#numbers[count] = this.#merges.find(part, i, end);
      i = end;
    }
    return count;
  }

  readonly #rank = (left: number, right: number): number =>
    this.#merges.rank(this.#numbers[left], this.#numbers[right]);

  readonly #join = (left: number, right: number): void => {
    this.#numbers[left] = this.#merges.joined(this.#numbers[left], this.#numbers[right]);
  };
}

/** Room for a part's characters that is kept between parts. */
const KEPT = 1 << 14;
