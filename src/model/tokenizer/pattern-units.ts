// A text as patterns of pre-tokenizers see it: one unit for each character, ASCII as it is, others
// as their class (unicode.ts), so that all runtimes see the same.
import {
  classOf,
  LETTER,
  MARK,
  NUMBER,
  OTHER,
  PUNCTUATION,
  SPACE,
  SYMBOL,
  textOfUnits,
} from './unicode.ts';

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
/** Among units of kind 'han': letters that are Han, and what else stands in Han's blocks. */
export const HAN = '\xd6';
export const HAN_OTHERS = '\xd7';

/** First and last of each range, ascending. */
const within = (ranges: readonly number[], c: number) =>
  ranges.some((first, i) => i % 2 === 0 && c >= first && c <= ranges[i + 1]);

/** Letters with case beyond the basic plane, which 'deepseek-llm' names. */
const CASED_BEYOND = [
  0x10400, 0x1044f, 0x104b0, 0x104d3, 0x104d8, 0x104fb, 0x10c80, 0x10cb2, 0x10cc0, 0x10cf2, 0x118a0,
  0x118df, 0x1e900, 0x1e943,
];
/** Blocks of Han as 'kimi-k2' has them. */
const HAN_BLOCKS = [
  0x3400, 0x4dbf, 0x4e00, 0x9fff, 0xf900, 0xfaff, 0x20000, 0x2a6df, 0x2a700, 0x2ebef, 0x2f800,
  0x2fa1f,
];

/** Two characters that no pattern names stand for CASED_BEYOND and for all others there. */
const CASED = 0xfffe;
const UNNAMED = 0xffff;
/** JavaScript's `\s` has it, no table of white space does. */
const BYTE_ORDER_MARK = 0xfeff;

/** The unit of a character beyond ASCII. */
const unitKinds = {
  /** What stands for its class. */
  classes: (c: number) => STANDS_FOR[classOf(c)],
  /** As 'classes', with units of their own for Han. */
  han(c: number) {
    const class_ = classOf(c);
    if (!within(HAN_BLOCKS, c)) return STANDS_FOR[class_];
    return (class_ === LETTER ? HAN : HAN_OTHERS).charCodeAt(0);
  },
  /** Itself, for patterns that name characters beyond ASCII. */
  named(c: number) {
    if (c >= 0x10000) return within(CASED_BEYOND, c) ? CASED : UNNAMED;
    if (c >= CASED || c === BYTE_ORDER_MARK) return UNNAMED;
    return classOf(c) === SPACE ? STANDS_FOR[SPACE] : c;
  },
} satisfies Record<string, (c: number) => number>;

export type UnitKind = keyof typeof unitKinds;

/** A text's characters, and the units that stand for them. */
export interface Units {
  readonly length: number;
  /** Where each character begins, and the text's end; undefined where each is one code unit. */
  readonly begins?: readonly number[];
  /** The units of a kind, made when first asked for. */
  of(kind: UnitKind): string;
}

/** The units of a well-formed text. */
export function unitsOf(text: string): Units {
  if (/^[\0-\x7f]*$/.test(text)) return { length: text.length, of: () => text };
  const begins: number[] = [];
  for (let i = 0; i < text.length; i++) {
    begins.push(i);
    if ((text.charCodeAt(i) & 0xfc00) === 0xd800) i++;
  }
  const { length } = begins;
  begins.push(text.length);
  const made = new Map<UnitKind, string>();
  const make = (kind: UnitKind) => {
    const units = new Uint16Array(length);
    for (let i = 0; i < length; i++) {
      const c = text.codePointAt(begins[i])!;
      units[i] = c < 0x80 ? c : unitKinds[kind](c);
    }
    const all = textOfUnits(units);
    made.set(kind, all);
    return all;
  };
  return {
    length,
    begins: length < text.length ? begins : undefined,
    of: (kind) => made.get(kind) ?? make(kind),
  };
}
