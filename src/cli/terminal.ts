// The terminal, or the pipes, of this process, and the signals that end it.
import { constants } from 'node:os';
import type { Terminal } from './command.ts';

/** The signals that end a command, after it has put away what it holds. */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** A person reads no faster. */
const PROGRESS_MS = 100;

export interface Session {
  readonly terminal: Terminal;
  /** The signal that ended it. */
  endedBy(): NodeJS.Signals | undefined;
  close(): void;
}

/** What a shell sees of a program that a signal ended. */
export const codeOf = (name: NodeJS.Signals) => 128 + constants.signals[name];

/** Takes the streams and the signals of this process until close(). */
export function openSession(): Session {
  const ending = new AbortController();
  let endedBy: NodeJS.Signals | undefined;
  const end = (name: NodeJS.Signals) => {
    // whoever asks twice does not want to wait
    if (endedBy !== undefined) process.exit(codeOf(endedBy));
    endedBy = name;
    ending.abort(new DOMException('interrupted', 'AbortError'));
  };
  const { stdin, stdout } = process;
  const terminal: Terminal = {
    ...openOutput(),
    isInteractive: stdin.isTTY === true && stdout.isTTY === true,
    columns: stdout.isTTY === true ? stdout.columns : undefined,
    signal: ending.signal,
    onInterrupt: undefined,
    interrupt: () => end('SIGINT'),
  };
  const onSignal = (name: NodeJS.Signals) => {
    if (name === 'SIGINT' && endedBy === undefined && terminal.onInterrupt) terminal.onInterrupt();
    else end(name);
  };
  for (const name of ENDING) process.on(name, onSignal);
  return {
    terminal,
    endedBy: () => endedBy,
    close: () => {
      for (const name of ENDING) process.removeListener(name, onSignal);
    },
  };
}

/** Results and remarks on their streams, each line whole, with a line of progress between. */
function openOutput(): Pick<Terminal, 'print' | 'write' | 'endLine' | 'note' | 'progress'> {
  const { stdout, stderr } = process;
  const isWatched = stderr.isTTY === true && process.env.TERM !== 'dumb';
  let isShown = false;
  let isBegun = false;
  let last = 0;
  const clear = () => {
    if (isShown) stderr.write('\r\x1b[K');
    isShown = false;
  };
  const endLine = () => {
    if (isBegun) stdout.write('\n');
    isBegun = false;
  };
  const line = (stream: NodeJS.WriteStream, text: string) => {
    clear();
    endLine();
    stream.write(`${text}\n`);
  };
  return {
    print: (text) => line(stdout, text),
    note: (text) => line(stderr, text),
    write(text) {
      clear();
      stdout.write(text);
      if (text !== '') isBegun = !text.endsWith('\n');
    },
    endLine,
    progress(text) {
      if (!isWatched) return;
      if (text === '') return clear();
      const now = performance.now();
      if (now - last < PROGRESS_MS) return;
      last = now;
      stderr.write(`\r\x1b[K${text.slice(0, (stderr.columns || 80) - 1)}`);
      isShown = true;
    },
  };
}
