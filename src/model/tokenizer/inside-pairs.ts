// Where a text can be cut into words for joining: between characters that stand side by side in
// no token.

/** Which units stand side by side inside a token: nothing is joined across two that never do. */
export class InsidePairs {
  /**
   * One bit a pair by its hash, so that pairs may be taken for one that is inside: a word is then
   * longer, its tokens are the same.
   */
  readonly #pairs: Uint32Array;
  readonly #mask: number;
  readonly #continued = new Uint32Array(0x10000 / 32);

  constructor(texts: readonly string[]) {
    const bits = Math.min(24, Math.max(16, Math.ceil(Math.log2(texts.length * 8 + 1))));
    this.#pairs = new Uint32Array(2 ** (bits - 5));
    this.#mask = 2 ** bits - 1;
    for (const text of texts) {
      let left = text.charCodeAt(0);
      for (let i = 1; i < text.length; i++) {
        const right = text.charCodeAt(i);
        const bit = this.#bitOf(left, right);
        this.#pairs[bit >>> 5] |= 1 << (bit & 31);
        this.#continued[left >>> 5] |= 1 << (left & 31);
        left = right;
      }
    }
  }

  #bitOf(left: number, right: number): number {
    const mixed = Math.imul(Math.imul(left, 0x9e3779b1) ^ right, 0x85ebca6b);
    return (mixed ^ (mixed >>> 13)) & this.#mask;
  }

  has(left: number, right: number): boolean {
    const bit = this.#bitOf(left, right);
    return ((this.#pairs[bit >>> 5] >>> (bit & 31)) & 1) === 1;
  }

  /** Whether anything stands behind a unit inside some token. */
  continues(left: number): boolean {
    return ((this.#continued[left >>> 5] >>> (left & 31)) & 1) === 1;
  }
}
