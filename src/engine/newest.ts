// The newest tokens of a conversation, which a step may have to see again, and where what layers
// keep in a fixed size can be put back to (marks.ts), where some keep that.
import type { Mark } from '../backend/state.ts';
import { layerShapes } from '../backend/cache-shape.ts';
import { sum } from '../math/sum.ts';
import { Marks, type Purpose } from './marks.ts';
import type { Plan } from './plan.ts';

export class Newest {
  readonly #blockSize: number;
  /** Where layers have something of fixed size. */
  readonly #marks: Marks | undefined;
  readonly #note: (mark: Mark) => void;
  /** Whether layers keep a window of rows, and those of a block before it, and no more. */
  readonly #hasWindows: boolean;
  /** A block of them at least, and what may be taken back behind it. */
  #tokens: readonly number[] = [];

  /** `note` has layers make a copy. */
  constructor(
    { blockSize, shape, slides }: Pick<Plan, 'blockSize' | 'shape' | 'slides'>,
    note: (mark: Mark) => void,
  ) {
    this.#hasWindows = layerShapes(shape).some(({ kvHeads }, l) => kvHeads > 0 && slides[l]);
    this.#blockSize = blockSize;
    this.#note = note;
    if (sum(shape.fixedBytes ?? []) > 0) this.#marks = new Marks(blockSize);
  }

  /** Marks a place. */
  mark(purpose: Purpose, token: number): Mark {
    if (!this.#marks) return { token };
    const mark = this.#marks.for(purpose, token);
    this.#note(mark);
    return mark;
  }

  /** Before `count` tokens come: makes sure that they can be taken back. */
  expect(token: number, count: number, evictedAt: number): void {
    const mark = this.#marks?.due(token, count, evictedAt);
    if (mark) this.#note(mark);
  }

  /** Tokens came. */
  add(tokens: readonly number[]): void {
    this.#tokens = [...this.#tokens.slice(-this.#blockSize), ...tokens];
  }

  /** The newest tokens are these now. */
  set(tokens: readonly number[]): void {
    this.#tokens = tokens;
  }

  /** None of them can go through a step again. */
  clear(): void {
    this.#tokens = [];
    this.#marks?.clearTail();
  }

  /** All are others: nothing is marked. */
  renew(tokens: readonly number[]): void {
    this.#tokens = tokens;
    this.#marks?.clear();
  }

  /** Tokens from number `token` on were taken back. */
  forget(token: number): void {
    this.#marks?.forget(token);
  }

  /** The newest `count` were taken back, and those since a mark go in again: these. */
  takeBack(count: number, token: number, { token: marked }: Mark): readonly number[] {
    this.#tokens = this.#tokens.slice(0, -count);
    this.#marks?.forget(token);
    return this.#tokens.slice(this.#tokens.length - (token - marked));
  }

  /** The mark that takes tokens back from number `token` on, or from before it. */
  before(token: number): Mark {
    const mark = this.#marks ? this.#marks.before(token) : { token };
    if (!mark) throw new RangeError(`nothing before token ${token} was marked`);
    return mark;
  }

  /**
   * The mark to go back to for one that was made once, `evictedAt` being the number of tokens at
   * the last eviction; undefined: nothing is left but to begin.
   */
  nearest(given: Mark, evictedAt: number): Mark | undefined {
    if (this.#hasWindows && given.token < evictedAt - this.#blockSize) return undefined;
    return !this.#marks || this.#marks.holds(given) ? given : this.#marks.before(given.token);
  }

  /** Takes out what is to go through a step again, no more than a block, and where it begins. */
  takeAgain(token: number): { readonly mark: Mark; readonly tokens: readonly number[] } {
    const plain = { token: token - Math.min(this.#blockSize, this.#tokens.length) };
    const mark = this.#marks ? (this.#marks.tail(token) ?? { token }) : plain;
    const count = token - mark.token;
    if (count > this.#tokens.length) return { mark: { token }, tokens: [] };
    const tokens = this.#tokens.slice(this.#tokens.length - count);
    this.#tokens = [];
    this.#marks?.forget(mark.token);
    return { mark, tokens };
  }
}
