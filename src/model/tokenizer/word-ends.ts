// Where words of a pre-tokenizer end whatever stands behind: there a text can be cut, and both
// sides encoded alone.
import type { PreTokenizer } from './pre-tokenizer.ts';
import {
  classOf,
  codePointAt,
  codePointBefore,
  LETTER,
  NUMBER,
  PUNCTUATION,
  SPACE,
  SYMBOL,
} from './unicode.ts';

const isLineEnd = (c: number) => c === 0x0a || c === 0x0d;

/**
 * Whether a word ends at `at`, whatever stands behind `end`, and both sides fall into the same
 * words when they stand alone. What it does not know of it denies.
 */
export function endsWord(text: string, at: number, end: number, { ends }: PreTokenizer): boolean {
  if (at === 0) return true;
  const left = codePointBefore(text, at);
  const right = codePointAt(text, at, end);
  if (right < 0) return false;
  if (typeof ends === 'function') return ends(left, right);
  const leftClass = classOf(left);
  const rightClass = classOf(right);
  const behindWord = ends.words ? ends.words.includes(leftClass) : left > 0x20 && left < 0x7f;
  if (rightClass === SPACE) {
    if (leftClass === SPACE) return ends.lines === 'each' && (isLineEnd(left) || isLineEnd(right));
    if (ends.lines === 'each' && isLineEnd(right)) return true;
    if (!behindWord) return false;
    // where lines end in runs, punctuation takes them along
    return (
      ends.lines !== 'run' || !isLineEnd(right) || leftClass === LETTER || leftClass === NUMBER
    );
  }
  if (isLineEnd(left)) {
    if (right === 0x2f) return false; // some patterns take a slash along with line ends
    return ends.lines !== 'single' || at === 1 || classOf(codePointBefore(text, at - 1)) !== SPACE;
  }
  // a word of letters ends at ASCII's and East Asian punctuation, but for an apostrophe
  if (leftClass !== LETTER || !behindWord || right === 0x27 || ends.punctuated) return false;
  if (right < 0x80) return rightClass === PUNCTUATION || rightClass === SYMBOL;
  return (
    (right >= 0x3001 && right <= 0x3002) ||
    (right >= 0xff01 && right <= 0xff0f) ||
    (right >= 0xff1a && right <= 0xff20)
  );
}
