// What a command is, and what it is given: everything it reads from or writes to the outside.
import type { ParseArgsConfig } from 'node:util';
import { OptionError } from '../errors.ts';
import { meant } from './words.ts';

/** The arguments are wrong: the command was not run. Exit code 2. */
export class UsageError extends OptionError {
  override name = 'UsageError';
}

export interface Terminal {
  /** Results, to standard output. */
  print(text: string): void;
  /** Remarks, to standard error, on lines of their own. */
  note(text: string): void;
  /** A line that replaces the one before, only where people watch; '' removes it. */
  progress(text: string): void;
  /** Writes results without a line break. */
  write(text: string): void;
  /** Ends a line of results that was begun. */
  endLine(): void;
  readonly isInteractive: boolean;
  /** Letters that a line of results holds; undefined where nobody's terminal shows them. */
  readonly columns: number | undefined;
  /** Aborted by what ends the program: SIGTERM, SIGHUP, and SIGINT where nobody else takes it. */
  readonly signal: AbortSignal;
  /** Who is told of SIGINT in the program's place; undefined: it ends the program again. */
  onInterrupt: (() => void) | undefined;
  /** Ends the program as SIGINT does. */
  interrupt(): void;
}

export type Values = Record<string, string | boolean | (string | boolean)[] | undefined>;

export interface Command {
  readonly name: string;
  readonly summary: string;
  readonly help: string;
  readonly options: NonNullable<ParseArgsConfig['options']>;
  /** Names of the positional arguments, all required. */
  readonly operands: readonly string[];
  /** What to know of operands that are missing. */
  readonly about?: string;
  run(operands: readonly string[], values: Values, terminal: Terminal): Promise<void>;
}

/** A whole number of at least `least`. */
export function wholeNumber(name: string, value: unknown, least: number): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (String(value).trim() === '' || !Number.isSafeInteger(number) || number < least) {
    throw new UsageError(`--${name} is '${String(value)}', expected a whole number from ${least}`);
  }
  return number;
}

/** A whole number of at least `least`, or 'auto'. */
export function wholeOrAuto(
  name: string,
  value: unknown,
  least: number,
): number | 'auto' | undefined {
  return value === 'auto' ? value : wholeNumber(name, value, least);
}

/** A finite number. */
export function anyNumber(name: string, value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (String(value).trim() === '' || !Number.isFinite(number)) {
    throw new UsageError(`--${name} is '${String(value)}', expected a number`);
  }
  return number;
}

/** One of some words. */
export function oneOf<T extends string>(
  name: string,
  value: unknown,
  allowed: readonly T[],
): T | undefined {
  if (value === undefined) return undefined;
  if (!allowed.includes(value as T)) {
    const hint = meant(String(value), allowed);
    throw new UsageError(`--${name} is '${String(value)}'${hint}, expected ${allowed.join(', ')}`);
  }
  return value as T;
}
