// What callers pass, checked at the border: names, kinds and ranges, refused with OptionError in
// one voice. It knows no option by name. Nothing here trusts a value: getters, proxies and objects
// without a prototype work, and whatever is found can be said.
import { OptionError } from './errors.ts';

/** Longest part of a foreign text that a message repeats. */
const SHOWN_CHARACTERS = 40;

/** A value as messages name it: 'abc', 5, 1n (a bigint), null, an array of 3. Never throws. */
export function describeValue(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return quote(value);
    case 'bigint':
      return `${shorten(value.toString())}n (a bigint)`;
    case 'function':
      return 'a function';
    case 'symbol':
      return 'a symbol';
    case 'object':
      if (value === null) return 'null';
      return isArray(value) ? `an array of ${value.length}` : 'an object';
    default:
      return String(value);
  }
}

/**
 * The options that were given, in a plain record: each is read once, so that what was checked is
 * what is used. An option may be inherited (from defaults, say): it is read like one's own, and an
 * unknown name is refused wherever it stands; what a class defines is not enumerable, and so never
 * unknown. undefined stands for no options, and an option that is undefined for one that was not
 * given (null is a value, and no good one: give defaults by `=`, not `??`). Throws OptionError.
 *
 *     const { fresh = false } = knownNames('profileOf', options, profileNames);
 */
export function knownNames<T extends object>(
  what: string,
  options: T | undefined,
  names: readonly (keyof T & string)[],
): T {
  const read: Record<string, unknown> = {};
  if (options === undefined) return read as T;
  const found: unknown = options;
  if (found === null || typeof found !== 'object' || isArray(found))
    throw new OptionError(`${what}: options are ${describeValue(found)}, expected an object`);
  const known = new Set<string>(names);
  const isForeign = (name: string) => name in Object.prototype && !Object.hasOwn(options, name);
  // as they were given, then what a class defines
  const order = new Set<string>();
  for (const name in options) if (known.has(name) || !isForeign(name)) order.add(name);
  for (const name of names) order.add(name);
  for (const name of order) {
    if (!known.has(name))
      throw new OptionError(
        `${what}: no option ${quote(name)}${didYouMean(name, names)}; there are ` +
          names.join(', '),
      );
    const value = options[name as keyof T & string];
    if (value !== undefined) read[name] = value;
  }
  return read as T;
}

/**
 * All names of a type of options, which the compiler holds complete:
 * namesOf<Policy>({ name: true, ... }).
 */
export function namesOf<T extends object>(all: {
  readonly [K in keyof T & string]-?: true;
}): readonly (keyof T & string)[] {
  return Object.keys(all) as (keyof T & string)[];
}

/** A whole number of a range. Throws OptionError. */
export function whole(name: string, value: unknown, least: number, most: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most)
    throw new OptionError(
      `${name} is ${describeValue(value)}, expected a whole number ${range(least, most)}`,
    );
  return value;
}

/** A finite number of a range, whose upper end may be Infinity. Throws OptionError. */
export function within(name: string, value: unknown, least: number, most: number): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < least || value > most)
    throw new OptionError(
      `${name} is ${describeValue(value)}, expected a number ${range(least, most)}`,
    );
  return value;
}

/** One of a few values. Throws OptionError, naming all of them, and the nearest. */
export function oneOf<T extends string | number | boolean>(
  name: string,
  value: unknown,
  allowed: readonly T[],
): T {
  if ((allowed as readonly unknown[]).includes(value)) return value as T;
  const near = typeof value === 'string' ? didYouMean(value, allowed.map(String)) : '';
  throw new OptionError(
    `${name} is ${describeValue(value)}${near}, expected ${allowed.join(' or ')}`,
  );
}

/** true or false. Throws OptionError. */
export function flag(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean')
    throw new OptionError(`${name} is ${describeValue(value)}, expected true or false`);
  return value;
}

/** A text, which may be empty. Throws OptionError. */
export function text(name: string, value: unknown): string {
  if (typeof value !== 'string')
    throw new OptionError(`${name} is ${describeValue(value)}, expected a text`);
  return value;
}

/** A text with something in it. Throws OptionError. */
export function filledText(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '')
    throw new OptionError(
      `${name} is ${value === '' ? 'empty' : describeValue(value)}, expected a text with ` +
        `something in it`,
    );
  return value;
}

/** A function. Throws OptionError. */
// biome-ignore lint/complexity/noBannedTypes: what it takes and returns is its caller's to know
export function callback<T extends Function>(name: string, value: T): T {
  if (typeof value !== 'function')
    throw new OptionError(`${name} is ${describeValue(value)}, expected a function`);
  return value;
}

/** A signal of an AbortController, or what behaves like one. Throws OptionError. */
export function abortSignal(name: string, value: AbortSignal): AbortSignal {
  const { aborted, throwIfAborted, addEventListener } = (value ?? {}) as Partial<AbortSignal>;
  if (
    typeof aborted !== 'boolean' ||
    typeof throwIfAborted !== 'function' ||
    typeof addEventListener !== 'function'
  )
    throw new OptionError(
      `${name} is ${describeValue(value)}, expected the signal of an AbortController`,
    );
  return value;
}

/** A list of finite numbers (an array or a typed one), copied. Throws OptionError. */
export function finiteNumbers(name: string, value: unknown): number[] {
  const isList = isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
  if (!isList)
    throw new OptionError(`${name} is ${describeValue(value)}, expected a list of numbers`);
  return Array.from(value as ArrayLike<unknown>, (x, i) =>
    within(`${name}[${i}]`, x, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY),
  );
}

/** A check of what may be left out: undefined stays undefined. */
export function optional<T>(
  check: (name: string, value: T) => T,
  name: string,
  value: T | undefined,
): T | undefined {
  return value === undefined ? undefined : check(name, value);
}

/** " (did you mean maxTokens?)" where one of the names is near enough, else nothing. */
export function didYouMean(found: string, names: readonly string[]): string {
  const near = nearestName(found, names);
  return near === undefined ? '' : ` (did you mean ${near}?)`;
}

const LONGEST_NAME = 40;
const LEAST_PREFIX = 4;

/**
 * The name that was meant: equal but for case and signs (top_k), a few slips of the finger away, or
 * begun by what was found (temp).
 */
export function nearestName(found: string, names: readonly string[]): string | undefined {
  if (found === '' || found.length > LONGEST_NAME) return undefined;
  const plain = plainName(found);
  const same = names.find((name) => plainName(name) === plain);
  if (same !== undefined) return same;
  const slips = (name: string) => distance(plain, plainName(name));
  const near = names.filter(
    (name) => slips(name) <= Math.max(1, Math.floor(Math.min(plain.length, name.length) / 4)),
  );
  if (near.length > 0)
    return near.reduce((best, name) => (slips(name) < slips(best) ? name : best));
  const begun =
    plain.length >= LEAST_PREFIX ? names.filter((name) => plainName(name).startsWith(plain)) : [];
  return begun.length === 1 ? begun[0] : undefined;
}

const plainName = (name: string) => name.toLowerCase().replace(/[^a-z0-9]/g, '');

/** Letters put in, left out, changed or swapped with their neighbour (optimal string alignment). */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        row[j] = Math.min(row[j], before[j - 2] + 1);
    }
    [before, last] = [last, row];
  }
  return last[b.length];
}

/** Array.isArray, which throws for a proxy that was revoked. */
function isArray(value: unknown): value is unknown[] {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}

function range(least: number, most: number): string {
  if (most !== Number.POSITIVE_INFINITY) return `from ${least} to ${most}`;
  return least === Number.NEGATIVE_INFINITY ? 'that is finite' : `from ${least}`;
}

const shorten = (text: string) =>
  text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}...` : text;
/** In single quotes, with line ends and the like made visible. */
const quote = (text: string) =>
  `'${JSON.stringify(shorten(text)).slice(1, -1).replaceAll('\\"', '"')}'`;
