#!/usr/bin/env node
// The command line: finds the command, reads its arguments, turns errors into messages and exit codes.
//   0 done | 1 it failed | 2 the arguments are wrong | 130 interrupted
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { RecollectError } from '../errors.ts';
import { type Command, type Terminal, UsageError, type Values } from './command.ts';
import { commands } from './registry.ts';

function createTerminal(signal: AbortSignal): Terminal {
  const { stdout, stderr } = process;
  const watched = stderr.isTTY === true;
  let shown = false;
  const clear = () => {
    if (shown) stderr.write('\r\x1b[K');
    shown = false;
  };
  let last = 0;
  return {
    isInteractive: process.stdin.isTTY === true && stdout.isTTY === true,
    signal,
    print: (text) => {
      clear();
      stdout.write(`${text}\n`);
    },
    write: (text) => {
      clear();
      stdout.write(text);
    },
    note: (text) => {
      clear();
      stderr.write(`${text}\n`);
    },
    progress(text) {
      if (!watched) return;
      if (text === '') return clear();
      const now = performance.now();
      if (now - last < 100) return; // a person reads no faster
      last = now;
      stderr.write(`\r\x1b[K${text.slice(0, (stderr.columns ?? 80) - 1)}`);
      shown = true;
    },
  };
}

function overview(): string {
  const width = Math.max(...commands.map((c) => c.name.length));
  return `recollect: long conversations with local language models in a fixed amount of memory

usage: recollect COMMAND ...        (in the repository: npm run -s recollect -- COMMAND ...)

${commands.map((c) => `  ${c.name.padEnd(width)}  ${c.summary}`).join('\n')}

recollect COMMAND --help tells a command's arguments, recollect --version the version.`;
}

/** The version that package.json tells, wherever it was installed. */
async function version(): Promise<string> {
  // from build/js/src/cli
  const text = await readFile(new URL('../../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    console.log(overview());
    return name === undefined ? 2 : 0;
  }
  if (name === '--version' || name === '-v' || name === 'version') {
    console.log(await version());
    return 0;
  }
  const command: Command | undefined = commands.find((c) => c.name === name);
  if (!command) {
    console.error(`no command '${name}'\n\n${overview()}`);
    return 2;
  }
  const interrupt = new AbortController();
  const terminal = createTerminal(interrupt.signal);
  const onSignal = () => interrupt.abort(new DOMException('interrupted', 'AbortError'));
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  try {
    let values: Values;
    let operands: string[];
    try {
      const parsed = parseArgs({
        args: rest,
        options: { ...command.options, help: { type: 'boolean', short: 'h' } },
        allowPositionals: true,
        allowNegative: true,
      });
      values = parsed.values as Values;
      operands = parsed.positionals;
    } catch (cause) {
      throw new UsageError((cause as Error).message, { cause });
    }
    if (values.help) {
      terminal.print(command.help.trim());
      return 0;
    }
    if (operands.length !== command.operands.length) {
      throw new UsageError(
        `expected ${command.operands.length === 0 ? 'no operands' : command.operands.join(' ')}, found ${operands.length === 0 ? 'none' : `'${operands.join("' '")}'`}`,
      );
    }
    await command.run(operands, values, terminal);
    return 0;
  } catch (error) {
    terminal.progress('');
    if (interrupt.signal.aborted) {
      terminal.note('interrupted');
      return 130;
    }
    if (error instanceof UsageError) {
      terminal.note(`recollect ${command.name}: ${error.message}\n(recollect ${command.name} --help tells how)`);
      return 2;
    }
    if (error instanceof RecollectError) {
      terminal.note(`recollect ${command.name}: ${error.message}`);
      return 1;
    }
    terminal.note(`recollect ${command.name}: ${error instanceof Error ? error.stack : String(error)}`);
    return 1;
  } finally {
    process.removeListener('SIGINT', onSignal);
    process.removeListener('SIGTERM', onSignal);
  }
}

// a reader that has seen enough (head) closes the pipe: that is no failure
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
process.exitCode = await main(process.argv.slice(2));
