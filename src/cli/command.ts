// What a command is, and what it is given: everything it reads from or writes to the outside.
import type { ParseArgsConfig } from 'node:util';
import { OptionError } from '../errors.ts';
import { parseConfig, readGroups, type Raw } from './flags.ts';
import type { Group, Groups, ValuesOf } from './flags.ts';
import { renderHelp } from './help.ts';

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

/** A command as its file defines it. */
export interface Definition<G extends Groups> {
  readonly name: string;
  readonly summary: string;
  /** Names of the positional arguments, all required. Default: none. */
  readonly operands?: readonly string[];
  /** What to know of operands that are missing. */
  readonly about?: string;
  /** What it does, for --help. */
  readonly intro: string;
  /** Tables of options, in --help's order: its own, and those of src/session/options.ts. */
  readonly groups: G;
  /** Gets what was given, checked, by group; what has a default is there. */
  run(operands: readonly string[], values: ValuesOf<G>, terminal: Terminal): Promise<void>;
}

/** A command as the command line knows it. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  readonly operands: readonly string[];
  readonly about?: string;
  readonly help: string;
  readonly groups: readonly Group[];
  readonly options: NonNullable<ParseArgsConfig['options']>;
  /** Throws UsageError for values that are none. */
  run(operands: readonly string[], raw: Raw, terminal: Terminal): Promise<void>;
}

/** Completes a command: how its flags are parsed, checked and told follows from its tables. */
export function defineCommand<G extends Groups>(definition: Definition<G>): Command {
  const { groups, run, operands: names = [], ...rest } = definition;
  const told = { ...rest, operands: names };
  const list = Object.values(groups);
  return {
    ...told,
    groups: list,
    help: renderHelp({ ...told, groups: list }),
    options: parseConfig(list),
    async run(operands, raw, terminal) {
      let values: ValuesOf<G>;
      try {
        values = readGroups(groups, raw);
      } catch (cause) {
        if (!(cause instanceof OptionError)) throw cause;
        throw new UsageError(cause.message, { cause });
      }
      await run(operands, values, terminal);
    },
  };
}
