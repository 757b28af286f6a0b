// Kinds of values that options have: each is a check, the words that docs and errors say of it, and
// how the command line writes it.
import {
  abortSignal,
  callback as checkCallback,
  describeValue,
  filledText as checkFilledText,
  flag as checkFlag,
  oneOf as checkOneOf,
  text as checkText,
  whole as checkWhole,
  within,
} from '../arguments.ts';
import { OptionError } from '../errors.ts';
import { parseBytes } from '../math/format.ts';

export interface Kind<T> {
  /** What values are, in words: 'a whole number from 1 to 1024'. */
  readonly values: string;
  /** The values themselves, where they are a few words. */
  readonly words?: readonly string[];
  /** Whether a flag of this kind takes no value: it stands for true. */
  readonly isSwitch?: boolean;
  /** Whether a value is a list, which a flag may be given several times for, or with commas. */
  readonly isList?: boolean;
  /** The value as it may be used. Throws OptionError for one that is none. */
  check(name: string, value: unknown): T;
  /** What a word of the command line stands for; `check` refuses what is none. */
  fromText(text: string): unknown;
}

/** The number that a text is, where it is a good one; else the text, which no check takes. */
const numberOr = (text: string, isGood: (value: number) => boolean): number | string => {
  const value = Number(text);
  return text.trim() !== '' && isGood(value) ? value : text;
};

const rangeOf = (least: number, most: number) => {
  if (least <= Number.MIN_SAFE_INTEGER && most >= Number.MAX_SAFE_INTEGER) return '';
  return most === Number.POSITIVE_INFINITY ? ` from ${least}` : ` from ${least} to ${most}`;
};

/** A whole number of a range. */
export function whole(least: number, most: number): Kind<number> {
  return {
    values: `a whole number${rangeOf(least, most)}`,
    check: (name, value) => checkWhole(name, value, least, most),
    fromText: (text) => numberOr(text, (n) => Number.isSafeInteger(n) && n >= least && n <= most),
  };
}

/** A finite number of a range. */
export function number(least: number, most: number): Kind<number> {
  return {
    values: `a number${rangeOf(least, most)}`,
    check: (name, value) => within(name, value, least, most),
    fromText: (text) => numberOr(text, (n) => Number.isFinite(n) && n >= least && n <= most),
  };
}

/** One of a few words or numbers. */
export function oneOf<const T extends string | number>(allowed: readonly T[]): Kind<T> {
  const words = allowed.map(String);
  return {
    values: words.join(', '),
    words,
    check: (name, value) => checkOneOf(name, value, allowed),
    fromText: (text) => allowed.find((value) => String(value) === text) ?? text,
  };
}

/** Values of a kind, or one more: a whole number, or 'auto'. */
export function either<T, const W extends string | number>(kind: Kind<T>, word: W): Kind<T | W> {
  const or = typeof word === 'string' ? `or '${word}'` : `or ${word}`;
  return {
    values: `${kind.values}, ${or}`,
    check(name, value) {
      if (value === word) return word;
      try {
        return kind.check(name, value);
      } catch (error) {
        throw new OptionError(`${(error as Error).message}, ${or}`);
      }
    },
    fromText: (text) => (text === String(word) ? word : kind.fromText(text)),
  };
}

/** Several values of a kind. */
export function listOf<T>(kind: Kind<T>): Kind<readonly T[]> {
  return {
    ...kind,
    isList: true,
    check(name, value) {
      if (!Array.isArray(value))
        throw new OptionError(
          `${name} is ${describeValue(value)}, expected a list: ${kind.values}`,
        );
      return value.map((each) => kind.check(name, each));
    },
    fromText: (text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '')
        .map((part) => kind.fromText(part)),
  };
}

/** true or false. */
export const flag: Kind<boolean> = {
  values: 'true or false',
  isSwitch: true,
  check: checkFlag,
  fromText: (text) => text,
};

/** A text, which may be empty. */
export const text: Kind<string> = {
  values: 'a text',
  check: checkText,
  fromText: (given) => given,
};

/** A text with something in it. */
export const filledText: Kind<string> = { ...text, check: checkFilledText };

/** Bytes: a number, or a text such as '2GB'. They are read as the number. */
export function bytes(example: string): Kind<number | string> {
  return {
    values: `bytes such as '${example}'`,
    check(name, value) {
      const count = typeof value === 'string' ? parseBytes(value) : value;
      if (typeof count === 'number' && count > 0) return count;
      throw new OptionError(
        `${name} is ${describeValue(value)}, expected bytes such as '${example}'`,
      );
    },
    fromText: (given) => given,
  };
}

/** A function; what it takes and returns is the caller's to know. */
// biome-ignore lint/complexity/noBannedTypes: any function will do
export function callback<T extends Function>(): Kind<T> {
  return {
    values: 'a function',
    check: (name, value) => checkCallback(name, value as T),
    fromText: (given) => given,
  };
}

/** The signal of an AbortController. */
export const signal: Kind<AbortSignal> = {
  values: 'the signal of an AbortController',
  check: (name, value) => abortSignal(name, value as AbortSignal),
  fromText: (given) => given,
};

/** A kind of one's own: its words, its check, and what else differs from a text's. */
export function custom<T>(
  values: string,
  check: Kind<T>['check'],
  more: Partial<Pick<Kind<T>, 'words' | 'isSwitch' | 'isList' | 'fromText'>> = {},
): Kind<T> {
  return { values, check, fromText: (given) => given, ...more };
}
