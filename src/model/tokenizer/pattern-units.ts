// A text as patterns of pre-tokenizers see it: one unit for each character, ASCII as it is, others
// as their class (unicode.ts), so that all runtimes see the same.
import { classOf, LETTER, MARK, NUMBER, OTHER, PUNCTUATION, SPACE, SYMBOL } from './unicode.ts';

/**
 * Units that stand for characters beyond ASCII, by class; white space is a vertical tab, as `\s`
 * knows it.
 */
const STANDS_FOR = {
  [OTHER]: 0xd0,
  [NUMBER]: 0xd1,
  [LETTER]: 0xd2,
  [PUNCTUATION]: 0xd3,
  [MARK]: 0xd4,
  [SYMBOL]: 0xd5,
  [SPACE]: 0x0b,
} as Readonly<Record<number, number>>;

// inside of a bracket: numbers, letters, punctuation, marks, symbols
export const N = '0-9\xd1';
export const L = 'A-Za-z\xd2';
export const P = '!-#%-*,-/:;?@\\[-\\]_{}\xd3';
export const M = '\xd4';
export const S = '$+<=>\\^`|~\xd5';

/**
 * Letters with case beyond the basic plane, which 'deepseek-llm' names; they stand as U+E001, other
 * characters there as U+E000.
 */
const CASED_BEYOND = [
  0x10400, 0x1044f, 0x104b0, 0x104d3, 0x104d8, 0x104fb, 0x10c80, 0x10cb2, 0x10cc0, 0x10cf2, 0x118a0,
  0x118df, 0x1e900, 0x1e943,
];
const isCasedBeyond = (c: number) =>
  CASED_BEYOND.some((first, i) => i % 2 === 0 && c >= first && c <= CASED_BEYOND[i + 1]);

/** JavaScript's `\s` has it, no table of white space does. */
const BYTE_ORDER_MARK = 0xfeff;

const CHUNK = 4096;
function textOf(units: Uint8Array | Uint16Array): string {
  let text = '';
  for (let i = 0; i < units.length; i += CHUNK)
    text += String.fromCharCode(...units.subarray(i, i + CHUNK));
  return text;
}

/** A text's characters, and the units that stand for them. */
export interface Units {
  /** Where each character begins, and the text's end; undefined where each is one code unit. */
  readonly begins?: readonly number[];
  /** What stands for classes. */
  readonly classes: string;
  /** The characters themselves, for patterns that name them beyond ASCII; else as `classes`. */
  readonly named: string;
}

/** The units of a well-formed text; `named`: whether some pattern names characters beyond ASCII. */
export function unitsOf(text: string, named: boolean): Units {
  if (/^[\0-\x7f]*$/.test(text)) return { classes: text, named: text };
  const begins: number[] = [];
  let beyond = false;
  for (let i = 0; i < text.length; i++) {
    begins.push(i);
    if ((text.charCodeAt(i) & 0xfc00) === 0xd800) {
      beyond = true;
      i++;
    }
  }
  const classes = new Uint8Array(begins.length);
  const wide = named ? new Uint16Array(begins.length) : undefined;
  for (let i = 0; i < begins.length; i++) {
    const c = text.codePointAt(begins[i])!;
    classes[i] = c < 0x80 ? c : STANDS_FOR[classOf(c)];
    if (!wide) continue;
    if (c >= 0x10000 || c === BYTE_ORDER_MARK) wide[i] = isCasedBeyond(c) ? 0xe001 : 0xe000;
    else wide[i] = c < 0x80 ? c : classes[i] === STANDS_FOR[SPACE] ? classes[i] : c;
  }
  begins.push(text.length);
  const collapsed = textOf(classes);
  return {
    begins: beyond ? begins : undefined,
    classes: collapsed,
    named: wide ? textOf(wide) : collapsed,
  };
}
