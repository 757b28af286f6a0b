// Options as tables: a row is all there is to say of an option. From it follow its type, its check,
// its default, its flag on the command line, what --help and docs/cli.md say of it. This file knows
// no option by name; the tables stand with whom they are options of, and src/session/options.ts
// lists them.
//
//     export const sampleTable = {
//       /** Only the k most probable tokens. Default 0: all. */        <- what editors show
//       topK: option(kinds.whole(0, Infinity), { default: 0, flag: 'top-k K', summary: '...' }),
//     };
//     export interface SampleOptions extends OptionsOf<typeof sampleTable> {}
import { knownNames } from '../arguments.ts';
import { OptionError } from '../errors.ts';
import { type Kind, listOf } from './kinds.ts';

/** What people read of an option, and how the command line says it. */
export interface About {
  /** One line for --help and docs/; what the default is stands behind it. */
  readonly summary: string;
  /** What is done where nothing is given, in words, if that is no fixed value. */
  readonly otherwise?: string;
  /** Its flag, and what stands for the value in help: 'block N'. */
  readonly flag?: string;
  /** The value that a flag without a value stands for. Default true. */
  readonly flagMeans?: boolean;
}

export interface Row<T> extends About {
  readonly kind: Kind<T>;
  /** Taken where nothing is given. */
  readonly default?: T;
  readonly isRequired?: boolean;
}

export interface DefaultRow<T> extends Row<T> {
  readonly default: T;
}

export interface RequiredRow<T> extends Row<T> {
  readonly isRequired: true;
}

export type Table = Readonly<Record<string, Row<unknown>>>;

/** A row: the kind of its values, and what is said of it. */
export function option<T>(
  kind: Kind<T>,
  about: About & { readonly default: NoInfer<T> },
): DefaultRow<T>;
export function option<T>(
  kind: Kind<T>,
  about: About & { readonly isRequired: true },
): RequiredRow<T>;
export function option<T>(kind: Kind<T>, about: About): Row<T>;
export function option<T>(kind: Kind<T>, about: Omit<Row<T>, 'kind'>): Row<T> {
  return { ...about, kind };
}

/**
 * The options of a table, as callers give them. Mapped types keep what is written above each row,
 * so that editors show it.
 */
export type OptionsOf<T> = {
  readonly [K in keyof T as T[K] extends { readonly isRequired: true } ? K : never]: T[K] extends {
    readonly kind: { check(name: string, value: unknown): infer V };
  }
    ? V
    : never;
} & {
  readonly [K in keyof T as T[K] extends { readonly isRequired: true } ? never : K]?: T[K] extends {
    readonly kind: { check(name: string, value: unknown): infer V };
  }
    ? V
    : never;
};

type ValueOf<R> = R extends Row<infer T> ? T : never;

/** The same once they are checked: those with a default are there. */
export type Settled<T> = {
  readonly [K in keyof T]: T[K] extends DefaultRow<unknown> | RequiredRow<unknown>
    ? ValueOf<T[K]>
    : ValueOf<T[K]> | undefined;
};

export const namesIn = <T extends Table>(table: T): readonly (keyof T & string)[] =>
  Object.keys(table);

/**
 * Options, read once, checked and completed, in the order in which they were given. Throws
 * OptionError for unknown names (`what` says whose), for values that are none, and for what is
 * missing. `prefix` stands before the names in messages: 'episodes.'.
 */
export function settle<T extends Table>(
  what: string,
  given: OptionsOf<T> | undefined,
  table: T,
  prefix = '',
): Settled<T> {
  const names = namesIn(table) as readonly (keyof OptionsOf<T> & string)[];
  return complete(knownNames(what, given, names), table, prefix);
}

/** The same of options that others stand among: those are left alone, and out. */
export function complete<T extends Table>(given: OptionsOf<T>, table: T, prefix = ''): Settled<T> {
  const options = given as Readonly<Record<string, unknown>>;
  const settled: Record<string, unknown> = {};
  for (const name of Object.keys(options))
    if (options[name] !== undefined && Object.hasOwn(table, name))
      settled[name] = table[name].kind.check(prefix + name, options[name]);
  for (const name of namesIn(table)) {
    if (settled[name] !== undefined) continue;
    const row = table[name];
    if (row.isRequired)
      throw new OptionError(`${prefix}${name} is missing: give ${row.kind.values}`);
    if (row.default !== undefined) settled[name] = row.default;
  }
  return settled as Settled<T>;
}

/** A table with a few rows of another. */
export function pick<T extends Table, const K extends keyof T>(
  table: T,
  ...names: readonly K[]
): Pick<T, K> {
  return Object.fromEntries(names.map((name) => [name, table[name]])) as Pick<T, K>;
}

/** A table without a few rows. */
export function without<T extends Table, const K extends keyof T>(
  table: T,
  ...names: readonly K[]
): Omit<T, K> {
  const left = Object.entries(table).filter(([name]) => !names.includes(name as K));
  return Object.fromEntries(left) as Omit<T, K>;
}

/** A row with another default, for a command that differs. */
export function withDefault<T>(
  row: Row<T>,
  value: NoInfer<T>,
  summary = row.summary,
): DefaultRow<T> {
  return { ...row, summary, isRequired: false, default: value };
}

/** A row that takes several values: all of them are tried. */
export function asList<T>(row: Row<T>): Row<readonly T[]> {
  const { default: value, ...rest } = row;
  return { ...rest, kind: listOf(row.kind), ...(value !== undefined && { default: [value] }) };
}
