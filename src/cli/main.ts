#!/usr/bin/env node
// The command line: finds the command, reads its arguments, turns errors into messages and exit
// codes.
//   0 done | 1 it failed | 2 the arguments are wrong
//   130, 143, 129 ended by Ctrl-C (SIGINT), SIGTERM, SIGHUP
import { parseArgs } from 'node:util';
import { RecollectError } from '../errors.ts';
import { type Command, type Terminal, UsageError } from './command.ts';
import type { Raw } from './flags.ts';
import { version } from './package.ts';
import { commands } from './registry.ts';
import { codeOf, openSession } from './terminal.ts';
import { meant, startedAs } from './words.ts';

/** Options of every command. */
const common = { help: { type: 'boolean', short: 'h' }, debug: { type: 'boolean' } } as const;

function overview(): string {
  const width = Math.max(...commands.map((c) => c.name.length));
  const start = startedAs();
  return `recollect: long conversations with local language models in a fixed amount of memory

usage: ${start} COMMAND ...

${commands.map((c) => `  ${c.name.padEnd(width)}  ${c.summary}`).join('\n')}

  --help, --version

${start} COMMAND --help     tells a command's arguments
${start} demo               a first look: no model needed, a minute or so
${start} chat MODEL.gguf    talks with a model of yours`;
}

/** The arguments of a command. Throws UsageError. */
function read(command: Command, args: readonly string[]): { values: Raw; operands: string[] } {
  const options: Command['options'] = { ...command.options, ...common };
  const names = Object.keys(options);
  try {
    const parsed = parseArgs({
      args: withNumbers(args, options),
      options,
      allowPositionals: true,
      allowNegative: true,
      tokens: true,
    });
    const given = new Set<string>();
    for (const token of parsed.tokens) {
      if (token.kind !== 'option') continue;
      if (given.has(token.name) && !options[token.name].multiple) {
        throw new UsageError(`--${token.name} is given twice, expected once`);
      }
      given.add(token.name);
    }
    return { values: parsed.values as Raw, operands: parsed.positionals };
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
      const unknown = /'(-[^']*)'/.exec(message)?.[1] ?? '';
      const hint = meant(unknown.replace(/^-+/, ''), names, '--');
      throw new UsageError(`unknown option '${unknown}'${hint}`, { cause });
    }
    throw new UsageError(message.replace(/\s*\n\s*/g, ' '), { cause });
  }
}

/** Negative numbers joined to their options: alone they would be read as options. */
function withNumbers(args: readonly string[], options: Command['options']): string[] {
  const joined: string[] = [];
  for (const arg of args) {
    const before = joined[joined.length - 1]?.replace(/^--/, '');
    if (/^-\.?\d/.test(arg) && options[before]?.type === 'string')
      joined.push(`${joined.pop()}=${arg}`);
    else joined.push(arg);
  }
  return joined;
}

function checkOperands(command: Command, found: readonly string[]): void {
  if (found.length === command.operands.length) return;
  const expected = command.operands.length === 0 ? 'no operands' : command.operands.join(' ');
  const given = found.length === 0 ? 'none' : `'${found.join("' '")}'`;
  const about = found.length === 0 && command.about ? `\n${command.about}` : '';
  throw new UsageError(`expected ${expected}, found ${given}${about}`);
}

/** What is told of an error: a line, and with it whatever helps where the fault is ours. */
function tell(error: unknown, terminal: Terminal, name: string, debug: boolean): number {
  const start = `recollect ${name}:`;
  const trace = debug && error instanceof Error ? `\n${stackOf(error)}` : '';
  if (error instanceof UsageError) {
    terminal.note(`${start} ${error.message}${trace}\n(${startedAs()} ${name} --help tells how)`);
    return 2;
  }
  if (error instanceof RecollectError || (error as NodeJS.ErrnoException).syscall !== undefined) {
    terminal.note(`${start} ${(error as Error).message}${trace}`);
    return 1;
  }
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const more = debug ? '' : ' (a fault of recollect; --debug tells where)';
  terminal.note(`${start} ${text.replace(/\s*\n\s*/g, ' ')}${more}${trace}`);
  return 1;
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : '';
  return `${error.stack}${cause}`;
}

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === '--version' || name === '-v' || name === '-V' || name === 'version') {
    console.log(version());
    return 0;
  }
  if (name === 'help' && rest.length > 0) return main([rest[0], '--help']);
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    console.log(overview());
    return name === undefined ? 2 : 0;
  }
  const command = commands.find((c) => c.name === name);
  if (!command) {
    const what = name.startsWith('-') ? 'option' : 'command';
    const known = what === 'option' ? ['help', 'version'] : commands.map((c) => c.name);
    const hint = meant(name.replace(/^-+/, ''), known, what === 'option' ? '--' : '');
    console.error(`recollect: no ${what} '${name}'${hint}\n(${startedAs()} --help lists them)`);
    return 2;
  }
  const session = openSession();
  const { terminal } = session;
  let debug = (process.env.RECOLLECT_DEBUG ?? '') !== '' || rest.includes('--debug');
  try {
    const { values, operands } = read(command, rest);
    debug ||= values.debug === true;
    if (values.help) {
      terminal.print(command.help.trim());
      return 0;
    }
    checkOperands(command, operands);
    await command.run(operands, values, terminal);
    const ended = session.endedBy();
    return ended === undefined ? 0 : codeOf(ended);
  } catch (error) {
    terminal.progress('');
    const ended = session.endedBy();
    if (ended === undefined) return tell(error, terminal, command.name, debug);
    terminal.note(ended === 'SIGINT' ? 'interrupted' : `ended by ${ended}`);
    return codeOf(ended);
  } finally {
    session.close();
  }
}

// a reader that has seen enough (head) closes the pipe: that is no failure
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
process.on('uncaughtException', (error) => {
  const debug = (process.env.RECOLLECT_DEBUG ?? '') !== '' || process.argv.includes('--debug');
  const brief = `${error.name}: ${error.message} (--debug tells where)`;
  console.error(`recollect: ${debug ? stackOf(error) : brief}`);
  process.exit(1);
});
process.exitCode = await main(process.argv.slice(2));
