// Byte-level BPE: words of a text, as bytes that each are a token, joined by the ranks of the
// file's merges.
import type { TextList } from '../text-list.ts';
import { Joiner } from './join.ts';
import { Merges } from './merges.ts';
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

export function createBpe(
  tokens: number,
  table: TextTable,
  merges: TextList,
  kind: PreTokenizer,
): Encoder {
  const pairs = new Merges(tokens, table, merges);
  const byteNumbers = numbersOfBytes(pairs);
  const joiner = new Joiner();
  const cache = new WordCache();
  let ids = new Int32Array(64);
  let joined = 0;
  const rank = (left: number, right: number) => pairs.rank(ids[left], ids[right]);
  const join = (left: number, right: number) => {
    ids[left] = pairs.joined(ids[left], ids[right]);
  };

  /** What is no token gives the tokens of its characters that are ASCII: llama.cpp's habit. */
  const emit = (number: number, out: number[]) => {
    if (pairs.isToken(number)) {
      out.push(number);
      return;
    }
    const text = number < 0 ? '' : pairs.otherText(number);
    for (let i = 0; i < text.length; i++) {
      const token = text.charCodeAt(i) < 0x80 ? table.find(text, i, i + 1) : -1;
      if (token >= 0) out.push(token);
    }
  };

  const encodeWord = (word: string): number[] => {
    if (kind.ignoreMerges && word.length <= table.longest) {
      const id = table.find(bytesAsText(word));
      if (id >= 0) return [id];
    }
    if (ids.length < word.length * 3) ids = new Int32Array(word.length * 3);
    joined = bytesOf(word, (byte, i) => {
      ids[i] = byteNumbers[byte];
    });
    joiner.run(joined, rank, join);
    const tokens: number[] = [];
    for (let i = 0; i >= 0; i = joiner.next[i]) emit(ids[i], tokens);
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

const numbersOfBytes = (pairs: Merges) =>
  Int32Array.from(byteUnits, (unit) => pairs.find(String.fromCharCode(unit), 0, 1));

/** Room for a word's bytes that is kept between words. */
const KEPT = 1 << 14;

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
