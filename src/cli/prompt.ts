// What a person says, or a pipe: one text after the other. A terminal's line editing, pasted lines
// as one text, and Ctrl-C, which is never typed.
import { createInterface, type Interface } from 'node:readline';
import type { Terminal } from './command.ts';
import { Screen } from './screen.ts';

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
  return new LinePrompt(terminal, onInterrupt);
}

class LinePrompt implements Prompt {
  readonly #terminal: Terminal;
  readonly #editing: boolean;
  readonly #screen = new Screen();
  readonly #lines: Interface;
  /** Texts that were entered and not asked for yet. */
  readonly #waiting: string[] = [];
  /** Lines of the text that is entered: more than one while they are pasted. */
  #pasted: string[] = [];
  #pasting = false;
  #closed = false;
  /** Whether a text is waited for, and whether it is one of several lines. */
  #asked = false;
  #fenced = false;
  #wake: (() => void) | undefined;

  constructor(terminal: Terminal, onInterrupt: () => void) {
    const { stdin, stdout } = process;
    this.#terminal = terminal;
    this.#editing = terminal.isInteractive && process.env.TERM !== 'dumb';
    this.#lines = createInterface({
      input: stdin,
      output: this.#editing ? this.#screen : undefined,
      terminal: this.#editing,
      prompt: '> ',
      crlfDelay: Number.POSITIVE_INFINITY,
    });
    this.#lines.on('line', (line) => this.#entered(line));
    this.#lines.on('close', () => {
      this.#closed = true;
      if (this.#pasted.length > 0) this.#waiting.push(this.#pasted.join('\n'));
      this.#stir();
    });
    if (this.#editing) {
      this.#lines.on('SIGINT', onInterrupt);
      stdin.on('keypress', this.#onKey);
      stdout.write(PASTE_ON);
    }
  }

  async next(): Promise<string | undefined> {
    const first = await this.#line('> ');
    if (first === undefined || !first.trimStart().startsWith(FENCE)) return first;
    const said = [first.trimStart().slice(FENCE.length)];
    this.#fenced = true;
    try {
      while (this.#fenced) {
        const last = said[said.length - 1].trimEnd();
        if (last.endsWith(FENCE)) {
          said[said.length - 1] = last.slice(0, -FENCE.length);
          break;
        }
        const more = await this.#line('. ');
        if (more === undefined) break;
        said.push(more);
      }
      return this.#fenced ? said.join('\n').trim() : '';
    } finally {
      this.#fenced = false;
    }
  }

  clear(): boolean {
    const lines = this.#lines;
    const typed = this.#fenced || lines.line !== '' || this.#pasted.length > 0;
    if (!this.#asked || !typed) return false;
    this.#pasted = [];
    if (this.#editing) {
      lines.write(null, { ctrl: true, name: 'e' });
      lines.write(null, { ctrl: true, name: 'u' });
    }
    if (this.#fenced) {
      this.#fenced = false;
      this.#waiting.push('');
      this.#stir();
    } else lines.prompt();
    return true;
  }

  redraw(): void {
    if (this.#asked && this.#editing) this.#lines.prompt(true);
    else if (this.#asked && this.#terminal.isInteractive) process.stdout.write('> ');
  }

  close(): void {
    if (this.#editing) {
      process.stdout.write(PASTE_OFF);
      process.stdin.off('keypress', this.#onKey);
    }
    this.#lines.close();
  }

  readonly #onKey = (_: string | undefined, key: { name?: string } | undefined): void => {
    if (key?.name === 'paste-start') this.#pasting = true;
    if (key?.name === 'paste-end') this.#pasting = false;
  };

  #entered(line: string): void {
    this.#pasted.push(line);
    if (this.#pasting) return;
    this.#waiting.push(this.#pasted.join('\n'));
    this.#pasted = [];
    // what is typed while a reply is written shows when that has ended
    this.#screen.muted = true;
    if (!this.#editing && this.#waiting.length >= AHEAD) this.#lines.pause();
    this.#stir();
  }

  /** Who waits for a text looks again. */
  #stir(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  /** The next text that was entered, or is entered behind a prompt. */
  async #line(prompt: string): Promise<string | undefined> {
    if (this.#waiting.length > 0 || this.#closed) {
      const ahead = this.#waiting.shift();
      if (ahead !== undefined && this.#editing) process.stdout.write(`${prompt}${ahead}\n`);
      return ahead;
    }
    if (this.#terminal.isInteractive) {
      this.#asked = true;
      this.#screen.muted = false;
      this.#lines.setPrompt(prompt);
      if (this.#editing) this.#lines.prompt(true);
      else process.stdout.write(prompt);
    }
    this.#lines.resume();
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#asked = false;
    return this.#waiting.shift();
  }
}
