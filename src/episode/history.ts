// What was said, held where it may be needed again: to make the caches of episodes, and to recall
// what was evicted. It grows with the conversation.
import type { IntList } from '../math/int-list.ts';
import type { Utterance } from './segment.ts';

/**
 * An utterance and its tokens [begin, end) of the conversation, as far as they can be told apart
 * from those beside them.
 */
export interface Said extends Utterance {
  readonly begin: number;
  readonly end: number;
  /**
   * Whether it stands in the frame of plain text (the template's system message), or brings its
   * own.
   */
  readonly plain: boolean;
}

/** The conversation's whole text, as far as places in it are concerned. */
export interface Places {
  /** How many tokens stand before a character. */
  indexAt(char: number): number;
}

/** An utterance and where it stands in the whole text: characters [from, to). */
interface Placed {
  readonly text: string;
  readonly plain: boolean;
  begin: number;
  end: number;
  from: number;
  to: number;
}

const BYTES_PER_CHAR = 2;
const NOWHERE = Number.POSITIVE_INFINITY;

export class History {
  readonly #ids: IntList;
  readonly #utterances: Placed[] = [];
  #chars = 0;

  /** `ids` are all tokens of the conversation; they are the caller's. */
  constructor(ids: IntList) {
    this.#ids = ids;
  }

  get utterances(): readonly Said[] {
    return this.#utterances;
  }

  /** Number of tokens. */
  get length(): number {
    return this.#ids.length;
  }

  /** Bytes of the text of utterances. */
  get bytes(): number {
    return this.#chars * BYTES_PER_CHAR;
  }

  /** Takes an utterance in that stands at characters [from, to) of the whole text. */
  addAt(text: string, plain: boolean, from: number, to: number, places: Places): void {
    this.add(text, plain);
    const utterance = this.#utterances[this.#utterances.length - 1];
    Object.assign(utterance, { from, to });
    this.#count(utterance, places);
  }

  /** Takes an utterance in whose place locate() finds. */
  add(text: string, plain: boolean): void {
    this.#utterances.push({ text, plain, begin: 0, end: 0, from: NOWHERE, to: NOWHERE });
    this.#chars += text.length;
  }

  /**
   * Finds the places of the utterances that end behind character `unchanged` of the whole text,
   * which has changed from there on.
   */
  locate(text: string, places: Places, unchanged: number): void {
    const all = this.#utterances;
    let first = all.length;
    while (first > 0 && all[first - 1].to > unchanged) first--;
    let at = first > 0 ? all[first - 1].to : 0;
    for (const utterance of all.slice(first)) {
      // as it was said, or as a template trims it; what the template no longer shows has no tokens
      for (const spoken of [utterance.text, utterance.text.trim()]) {
        const found = text.indexOf(spoken, at);
        utterance.from = found < 0 ? at : found;
        utterance.to = found < 0 ? at : found + spoken.length;
        if (found >= 0) break;
      }
      this.#count(utterance, places);
      at = utterance.to;
    }
  }

  #count(utterance: Placed, places: Places): void {
    utterance.begin = places.indexAt(utterance.from);
    utterance.end = Math.max(utterance.begin, places.indexAt(utterance.to));
  }

  /** Tokens [begin, end). */
  tokens(begin: number, end = this.length): number[] {
    return this.#ids.slice(begin, end);
  }
}
