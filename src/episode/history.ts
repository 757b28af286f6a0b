// What was said, held where it may be needed again: to make the caches of episodes, and to recall what was evicted. It grows with the conversation.
import type { Utterance } from './segment.ts';

/** An utterance and its tokens [begin, end) of the conversation. */
export interface Said extends Utterance {
  readonly begin: number;
  readonly end: number;
  /** Whether it stands in the frame of plain text (the template's system message), or brings its own. */
  readonly plain: boolean;
}

const FIRST_ROOM = 1024;
const BYTES_PER_TOKEN = 4;
const BYTES_PER_CHAR = 2;

export class History {
  #ids = new Int32Array(FIRST_ROOM);
  #length = 0;
  #chars = 0;
  readonly utterances: Said[] = [];

  /** Number of tokens. */
  get length(): number {
    return this.#length;
  }

  /** Bytes of token ids and text. */
  get bytes(): number {
    return this.#length * BYTES_PER_TOKEN + this.#chars * BYTES_PER_CHAR;
  }

  /** Tokens of what is no utterance: frames, closings. */
  addTokens(tokens: readonly number[]): void {
    if (this.#length + tokens.length > this.#ids.length) {
      const larger = new Int32Array(Math.max(2 * this.#ids.length, this.#length + tokens.length));
      larger.set(this.#ids.subarray(0, this.#length));
      this.#ids = larger;
    }
    this.#ids.set(tokens, this.#length);
    this.#length += tokens.length;
  }

  add(text: string, tokens: readonly number[], plain: boolean): void {
    this.utterances.push({ text, begin: this.#length, end: this.#length + tokens.length, plain });
    this.addTokens(tokens);
    this.#chars += text.length;
  }

  /** Tokens [begin, end). */
  tokens(begin: number, end = this.#length): number[] {
    return [...this.#ids.subarray(Math.max(0, begin), end)];
  }
}
