// What a command is, and what it is given: everything it reads from or writes to the outside.
import type { ParseArgsConfig } from 'node:util';
import { OptionError } from '../errors.ts';

/** The arguments are wrong: the command was not run. Exit code 2. */
export class UsageError extends OptionError {
  override name = 'UsageError';
}

export interface Terminal {
  /** Results, to standard output. */
  print(text: string): void;
  /** Remarks, to standard error. */
  note(text: string): void;
  /** A line that replaces the one before, only where people watch; '' removes it. */
  progress(text: string): void;
  /** Writes results without a line break. */
  write(text: string): void;
  readonly isInteractive: boolean;
  readonly signal: AbortSignal;
}

export type Values = Record<string, string | boolean | (string | boolean)[] | undefined>;

export interface Command {
  readonly name: string;
  readonly summary: string;
  readonly help: string;
  readonly options: NonNullable<ParseArgsConfig['options']>;
  /** Names of the positional arguments, all required. */
  readonly operands: readonly string[];
  run(operands: readonly string[], values: Values, terminal: Terminal): Promise<void>;
}

/** A whole number of at least `least`. */
export function wholeNumber(name: string, value: unknown, least: number): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!Number.isInteger(number) || number < least) throw new UsageError(`--${name} is '${String(value)}', expected a whole number from ${least}`);
  return number;
}

/** A whole number of at least `least`, or 'auto'. */
export function wholeOrAuto(name: string, value: unknown, least: number): number | 'auto' | undefined {
  return value === 'auto' ? value : wholeNumber(name, value, least);
}

/** A finite number. */
export function anyNumber(name: string, value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (value === '' || !Number.isFinite(number)) throw new UsageError(`--${name} is '${String(value)}', expected a number`);
  return number;
}

/** One of some words. */
export function oneOf<T extends string>(name: string, value: unknown, allowed: readonly T[]): T | undefined {
  if (value === undefined) return undefined;
  if (!allowed.includes(value as T)) throw new UsageError(`--${name} is '${String(value)}', expected ${allowed.join(', ')}`);
  return value as T;
}
