// Where copies of what layers keep in a fixed size were made (backend/fixed-state.ts): the only
// places that a conversation can go back to exactly. Numbers only; the layers hold the copies.
//
// Two slots follow the newest tokens, half a block apart, so that there is always one to take a
// block's tokens back to; others are whoever's that marks a place.
import type { Mark } from '../backend/state.ts';

/** Slots of the newest tokens. */
const TAIL = 2;
/** What places are marked for, beside those. */
export type Purpose = 'turn' | 'question';
const slotOf: Readonly<Record<Purpose, number>> = { turn: TAIL, question: TAIL + 1 };
/** Copies that are reserved. */
export const MARKS = TAIL + Object.keys(slotOf).length;

export class Marks {
  readonly #spacing: number;
  readonly #blockSize: number;
  /** Token number of each slot's mark. */
  #tokens: (number | undefined)[] = new Array<undefined>(MARKS).fill(undefined);

  constructor(blockSize: number) {
    this.#blockSize = blockSize;
    this.#spacing = Math.max(1, blockSize >> 1);
  }

  /**
   * The mark that has to be made before `count` more tokens, `evictedAt` being the number of tokens
   * at the last eviction; undefined where there is one near enough.
   */
  due(token: number, count: number, evictedAt: number): Mark | undefined {
    const newest = Math.max(...this.#tail());
    if (newest === token) return undefined;
    if (newest >= evictedAt && token - newest + count <= this.#spacing) return undefined;
    const [first, second] = this.#tail();
    return this.#set(token, first <= second ? 0 : 1);
  }

  /** Marks a place. */
  for(purpose: Purpose, token: number): Mark {
    return this.#set(token, slotOf[purpose]);
  }

  /** The mark that most of the newest tokens stand behind, no more of them than a block. */
  tail(token: number): Mark | undefined {
    const near = this.#tail().filter((at) => at < token && token - at <= this.#blockSize);
    return near.length === 0 ? undefined : this.#at(Math.min(...near));
  }

  /** The last mark at a token or before it. */
  before(token: number): Mark | undefined {
    const known = this.#tokens.filter((at): at is number => at !== undefined && at <= token);
    return known.length === 0 ? undefined : this.#at(Math.max(...known));
  }

  /** Whether a mark is still what its slot holds. */
  holds({ token, slot }: Mark): boolean {
    return slot !== undefined && this.#tokens[slot] === token;
  }

  /** Tokens from number `token` on were taken back. */
  forget(token: number): void {
    this.#tokens = this.#tokens.map((at) => (at !== undefined && at > token ? undefined : at));
  }

  /** Nothing can be gone back to any more: neither are the newest tokens' marks any use. */
  clear(): void {
    this.#tokens.fill(undefined);
  }

  /** The newest tokens cannot go through a step again. */
  clearTail(): void {
    this.#tokens.fill(undefined, 0, TAIL);
  }

  /** Tokens of the newest tokens' marks, below any number where there is none. */
  #tail(): number[] {
    return this.#tokens.slice(0, TAIL).map((at) => at ?? Number.NEGATIVE_INFINITY);
  }

  #at(token: number): Mark {
    return { token, slot: this.#tokens.lastIndexOf(token) };
  }

  #set(token: number, slot: number): Mark {
    this.#tokens[slot] = token;
    return { token, slot };
  }
}
