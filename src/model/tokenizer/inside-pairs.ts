// Where a text can be cut into words for joining: between characters that stand side by side in
// no token.
import type { TextList } from '../text-list.ts';
import { markOf } from './marked-text.ts';
import { SPACE } from './merges.ts';
import { someUnitAt } from './unicode.ts';

/** Which units stand side by side inside a token: nothing is joined across two that never do. */
export class InsidePairs {
  /**
   * One bit a pair by its hash, so that pairs may be taken for one that is inside: a word is then
   * longer, its tokens are the same.
   */
  readonly #pairs: Uint32Array;
  readonly #mask: number;
  readonly #continued = new Uint32Array(0x10000 / 32);

  private constructor(count: number) {
    const bits = Math.min(24, Math.max(16, Math.ceil(Math.log2(count * 8 + 1))));
    this.#pairs = new Uint32Array(2 ** (bits - 5));
    this.#mask = 2 ** bits - 1;
  }

  /** Of all neighbours inside texts. */
  static ofTexts(texts: TextList): InsidePairs {
    const pairs = new InsidePairs(texts.length);
    const units = new Uint16Array(texts.longest);
    for (let id = 0; id < texts.length; id++) {
      const length = texts.read(id, units);
      for (let i = 1; i < length; i++) pairs.#add(units[i - 1], units[i]);
    }
    return pairs;
  }

  /** Of what merges ("left right") put side by side. */
  static ofMerges(merges: TextList): InsidePairs {
    const pairs = new InsidePairs(merges.length);
    const units = new Uint16Array(merges.longest);
    for (let rank = 0; rank < merges.length; rank++) {
      const length = merges.read(rank, units);
      const space = units.indexOf(SPACE, 1);
      if (space + 1 < length) pairs.#add(units[space - 1], units[space + 1]);
    }
    return pairs;
  }

  #add(left: number, right: number): void {
    const bit = this.#bitOf(left, right);
    this.#pairs[bit >>> 5] |= 1 << (bit & 31);
    this.#continued[left >>> 5] |= 1 << (left & 31);
  }

  #bitOf(left: number, right: number): number {
    const mixed = Math.imul(Math.imul(left, 0x9e3779b1) ^ right, 0x85ebca6b);
    return (mixed ^ (mixed >>> 13)) & this.#mask;
  }

  has(left: number, right: number): boolean {
    const bit = this.#bitOf(left, right);
    return ((this.#pairs[bit >>> 5] >>> (bit & 31)) & 1) === 1;
  }

  /**
   * Whether units that lie side by side at `at`, spaces marked, may yet be joined; `end`: what is
   * known of the text.
   */
  mayHaveAt(text: string, at: number, end: number): boolean {
    return someUnitAt(text, at - 1, (left) =>
      at < end
        ? someUnitAt(text, at, (right) => this.has(markOf(left), markOf(right)))
        : this.continues(markOf(left)),
    );
  }

  /** Whether anything stands behind a unit inside some token. */
  continues(left: number): boolean {
    return ((this.#continued[left >>> 5] >>> (left & 31)) & 1) === 1;
  }
}
