// Numbers of an architecture in a file's metadata, checked as they are read: every one of them is
// foreign.
import { ModelFormatError, UnsupportedError } from '../errors.ts';
import type { Metadata } from './gguf.ts';

/** Reads keys of one architecture, named without it. */
export interface MetadataReader {
  /** What stands there. */
  value(key: string): unknown;
  /**
   * One number for all layers. Throws UnsupportedError for a list of different ones,
   * ModelFormatError where there is none and no fallback, or something else.
   */
  number(key: string, fallback?: number): number;
  /** A whole number from 1 to `max`. Throws ModelFormatError too. */
  count(key: string, max: number, fallback?: number): number;
  /** A finite number above 0. Throws ModelFormatError too. */
  positive(key: string, fallback?: number): number;
  /** A finite number. Throws ModelFormatError too. */
  finite(key: string, fallback?: number): number;
  /** True or false. Throws ModelFormatError for anything else. */
  flag(key: string, fallback: boolean): boolean;
  /**
   * A whole number from 0 to `max` for each layer, one for all or a list. Throws ModelFormatError
   * too.
   */
  each(key: string, layers: number, max: number, fallback?: number): number[];
  /** The error of a value that cannot be. */
  wrong(key: string, expected: string): ModelFormatError;
}

export function createReader(metadata: Metadata, arch: string, file: string): MetadataReader {
  const value = (key: string): unknown => metadata[`${arch}.${key}`];
  const found = (key: string, what: unknown, expected: string) =>
    new ModelFormatError(`${file}: metadata '${arch}.${key}' is ${what}, expected ${expected}`);
  const number = (key: string, fallback?: number): number => {
    const given = value(key);
    if (given === undefined && fallback !== undefined) return fallback;
    if (Array.isArray(given) && given.every((v) => v === given[0])) return Number(given[0]);
    if (Array.isArray(given))
      throw new UnsupportedError(
        `${file}: ${arch}.${key} differs from layer to layer; only equal layers are supported`,
      );
    if (typeof given !== 'number' && typeof given !== 'bigint')
      throw found(key, given === undefined ? 'missing' : typeof given, 'a number');
    return Number(given);
  };
  return {
    value,
    number,
    count(key, max, fallback) {
      const n = number(key, fallback);
      if (Number.isInteger(n) && n >= 1 && n <= max) return n;
      throw found(key, n, `a whole number from 1 to ${max}`);
    },
    positive(key, fallback) {
      const n = number(key, fallback);
      if (n > 0 && Number.isFinite(n)) return n;
      throw found(key, n, 'a positive number');
    },
    finite(key, fallback) {
      const n = number(key, fallback);
      if (Number.isFinite(n)) return n;
      throw found(key, n, 'a finite number');
    },
    flag(key, fallback) {
      const given = value(key) ?? fallback;
      if (typeof given === 'boolean') return given;
      throw found(key, typeof given, 'true or false');
    },
    each(key, layers, max, fallback) {
      const given = value(key);
      const list: readonly unknown[] = Array.isArray(given)
        ? given
        : new Array(layers).fill(number(key, fallback));
      if (list.length !== layers)
        throw found(key, `a list of ${list.length}`, `one number for each of ${layers} layers`);
      return list.map((each) => {
        const n = typeof each === 'number' || typeof each === 'bigint' ? Number(each) : Number.NaN;
        if (Number.isInteger(n) && n >= 0 && n <= max) return n;
        throw found(key, n, `whole numbers from 0 to ${max}`);
      });
    },
    wrong: (key, expected) => found(key, String(value(key)).slice(0, 80), expected),
  };
}
