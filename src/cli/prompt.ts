// What a person says, or a pipe: one text after the other. A terminal's line editing, pasted lines
// as one text, and Ctrl-C, which is never typed.
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import type { Terminal } from './command.ts';

export interface Prompt {
  /** The next text; undefined where there is no more. */
  next(): Promise<string | undefined>;
  /** Takes back what was typed and not entered. False where there was nothing. */
  clear(): boolean;
  /** Asks again, after something else was written. */
  redraw(): void;
  /** Ends it: next() resolves with undefined. */
  close(): void;
}

/** Begins and ends a text of several lines. */
const FENCE = '"""';
/** Lines of a pipe that are read ahead. */
const AHEAD = 64;
const PASTE_ON = '\x1b[?2004h';
const PASTE_OFF = '\x1b[?2004l';

/**
 * Begins to read standard input. `onInterrupt` hears of Ctrl-C in a terminal that sends no signal
 * for it, as line editing needs it.
 */
export function openPrompt(terminal: Terminal, onInterrupt: () => void): Prompt {
  const { stdin, stdout } = process;
  const editing = terminal.isInteractive && process.env.TERM !== 'dumb';
  const screen = new Screen();
  const lines = createInterface({
    input: stdin,
    output: editing ? screen : undefined,
    terminal: editing,
    prompt: '> ',
    crlfDelay: Number.POSITIVE_INFINITY,
  });
  const waiting: string[] = [];
  let pasted: string[] = [];
  let pasting = false;
  let closed = false;
  let asked = false;
  let fenced = false;
  let wake: (() => void) | undefined;
  const stir = () => {
    wake?.();
    wake = undefined;
  };

  lines.on('line', (line) => {
    pasted.push(line);
    if (pasting) return;
    waiting.push(pasted.join('\n'));
    pasted = [];
    // what is typed while a reply is written shows when that has ended
    screen.muted = true;
    if (!editing && waiting.length >= AHEAD) lines.pause();
    stir();
  });
  lines.on('close', () => {
    closed = true;
    if (pasted.length > 0) waiting.push(pasted.join('\n'));
    stir();
  });
  const onKey = (_: string | undefined, key: { name?: string } | undefined) => {
    if (key?.name === 'paste-start') pasting = true;
    if (key?.name === 'paste-end') pasting = false;
  };
  if (editing) {
    lines.on('SIGINT', onInterrupt);
    stdin.on('keypress', onKey);
    stdout.write(PASTE_ON);
  }

  const line = async (prompt: string): Promise<string | undefined> => {
    if (waiting.length === 0 && !closed) {
      if (terminal.isInteractive) {
        asked = true;
        screen.muted = false;
        lines.setPrompt(prompt);
        if (editing) lines.prompt(true);
        else stdout.write(prompt);
      }
      lines.resume();
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      asked = false;
      return waiting.shift();
    }
    const ahead = waiting.shift();
    if (ahead !== undefined && editing) stdout.write(`${prompt}${ahead}\n`);
    return ahead;
  };

  return {
    async next() {
      const first = await line('> ');
      if (first === undefined || !first.trimStart().startsWith(FENCE)) return first;
      const said = [first.trimStart().slice(FENCE.length)];
      fenced = true;
      try {
        while (fenced) {
          const last = said[said.length - 1].trimEnd();
          if (last.endsWith(FENCE)) {
            said[said.length - 1] = last.slice(0, -FENCE.length);
            break;
          }
          const more = await line('. ');
          if (more === undefined) break;
          said.push(more);
        }
        return fenced ? said.join('\n').trim() : '';
      } finally {
        fenced = false;
      }
    },
    clear() {
      const typed = fenced || lines.line !== '' || pasted.length > 0;
      if (!asked || !typed) return false;
      pasted = [];
      if (editing) {
        lines.write(null, { ctrl: true, name: 'e' });
        lines.write(null, { ctrl: true, name: 'u' });
      }
      if (fenced) {
        fenced = false;
        waiting.push('');
        stir();
      } else lines.prompt();
      return true;
    },
    redraw() {
      if (asked && editing) lines.prompt(true);
      else if (asked && terminal.isInteractive) stdout.write('> ');
    },
    close() {
      if (editing) {
        stdout.write(PASTE_OFF);
        stdin.off('keypress', onKey);
      }
      lines.close();
    },
  };
}

/** Where line editing draws: the terminal, but not while a reply is written there. */
class Screen extends Writable {
  muted = false;

  constructor() {
    super({ decodeStrings: false });
    const resized = () => this.emit('resize');
    process.stdout.on('resize', resized);
    this.once('close', () => process.stdout.off('resize', resized));
  }

  get columns(): number {
    return process.stdout.columns;
  }

  get rows(): number {
    return process.stdout.rows;
  }

  override _write(text: string, _: BufferEncoding, done: (error?: Error) => void): void {
    if (!this.muted) process.stdout.write(text);
    done();
  }
}
