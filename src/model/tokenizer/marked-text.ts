// Text whose spaces are marked, and tokens that stand for single bytes: what SentencePiece and BPE
// over lines share.
import type { TextTable } from './text-table.ts';

export const SPACE_MARK = '\u2581';
const MARK = SPACE_MARK.charCodeAt(0);
const BLANK = 0x20;

export const markOf = (unit: number): number => (unit === BLANK ? MARK : unit);

/** The token of each byte, -1 where a vocabulary has none. */
export const tokensOfBytes = (table: TextTable): Int32Array =>
  Int32Array.from({ length: 256 }, (_, byte) =>
    table.find(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
  );

const utf8 = new TextEncoder();

/** The bytes of units [begin, end) of a text. */
export const bytesOfText = (text: string, begin: number, end: number): Uint8Array =>
  utf8.encode(text.slice(begin, end));
