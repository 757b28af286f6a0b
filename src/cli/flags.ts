// Flags from tables of options: what parses them, and what they mean.
import type { ParseArgsConfig } from 'node:util';
import { OptionError } from '../errors.ts';
import * as kinds from '../options/kinds.ts';
import { option, type Row, type Settled, type Table } from '../options/table.ts';

/** Options that --help tells under one title. */
export interface Group<T extends Table = Table> {
  /** '' for a command's own, which come first. */
  readonly title: string;
  readonly table: T;
}

export type Groups = Readonly<Record<string, Group>>;

/** The options of each group, checked, with defaults. */
export type ValuesOf<G extends Groups> = { readonly [K in keyof G]: Settled<G[K]['table']> };

/** What node:util's parseArgs() found. */
export type Raw = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

export interface Flag {
  /** Without dashes. */
  readonly name: string;
  /** What stands for its value in help: N; '' for a flag that takes none. */
  readonly operand: string;
  /** The option of its table. */
  readonly option: string;
  readonly row: Row<unknown>;
}

/** The flags of a table. */
export function flagsOf(table: Table): Flag[] {
  return Object.entries(table).flatMap(([option, row]) => {
    if (row.flag === undefined) return [];
    const [name, operand = ''] = row.flag.split(' ');
    return [{ name, operand, option, row }];
  });
}

/** How parseArgs() reads the flags of some groups. */
export function parseConfig(groups: readonly Group[]): NonNullable<ParseArgsConfig['options']> {
  const config: NonNullable<ParseArgsConfig['options']> = {};
  for (const { name, row } of groups.flatMap((group) => flagsOf(group.table))) {
    if (config[name]) throw new Error(`two options have the flag --${name}`);
    config[name] = {
      type: row.kind.isSwitch ? 'boolean' : 'string',
      ...(row.kind.isList && { multiple: true }),
    };
  }
  return config;
}

/** What flags mean. Throws OptionError for values that are none, and for what is missing. */
export function readGroups<G extends Groups>(groups: G, raw: Raw): ValuesOf<G> {
  return Object.fromEntries(
    Object.entries(groups).map(([name, { table }]) => [name, readTable(table, raw)]),
  ) as ValuesOf<G>;
}

function readTable(table: Table, raw: Raw): Readonly<Record<string, unknown>> {
  const values: Record<string, unknown> = {};
  for (const [option, row] of Object.entries(table)) values[option] = row.default;
  for (const { name, option, row } of flagsOf(table)) {
    const given = raw[name];
    if (given !== undefined) values[option] = row.kind.check(`--${name}`, meaningOf(row, given));
    else if (row.isRequired) throw new OptionError(`--${row.flag} is missing`);
  }
  return values;
}

function meaningOf({ kind, flagMeans = true }: Row<unknown>, given: NonNullable<Raw[string]>) {
  if (typeof given === 'boolean') return given === flagMeans;
  return Array.isArray(given)
    ? given.flatMap((text) => kind.fromText(String(text)))
    : kind.fromText(given);
}

/** Asks for JSON in the place of text. */
export const jsonFlag = (summary: string) =>
  option(kinds.flag, { default: false, flag: 'json', summary });
