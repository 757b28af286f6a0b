// Tokens by their log-odds: the most probable first, the lower on ties. It holds what is put in and
// puts that in order; callers leave out tokens that cannot matter.

/** Buckets of a pass of the radix sort: 11, 11 and 10 bits of a key. */
const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;
/** Fewer are put in order one by one. */
const FEW = 48;

export class Ranking {
  /** The first `count` of them are what was put in. */
  tokens: Int32Array;
  count = 0;
  /** A number for each of them, for who reads them in order. */
  weights: Float64Array;
  #keys: Uint32Array;
  #otherTokens: Int32Array;
  #otherKeys: Uint32Array;
  #starts = new Int32Array(DIGITS);
  #float = new Float32Array(1);
  #bits = new Uint32Array(this.#float.buffer);

  constructor(room: number) {
    this.tokens = new Int32Array(room);
    this.weights = new Float64Array(room);
    this.#keys = new Uint32Array(room);
    this.#otherTokens = new Int32Array(room);
    this.#otherKeys = new Uint32Array(room);
  }

  clear(): void {
    this.count = 0;
  }

  /** Puts a token in; ascending, so that ties are in order. */
  put(token: number): void {
    if (this.count === this.tokens.length) this.#grow();
    this.tokens[this.count++] = token;
  }

  /** Sorts what was put in. Linear in its number. */
  sort(logits: Float32Array): void {
    const { tokens, count } = this;
    let isSorted = true;
    let last = 0;
    for (let i = 0; i < count; i++) {
      // -0 is 0 here
      this.#float[0] = logits[tokens[i]] + 0;
      const bits = this.#bits[0];
      // unsigned, ascending keys are descending numbers
      const key = (bits >>> 31 === 1 ? bits : ~bits & 0x7fffffff) >>> 0;
      this.#keys[i] = key;
      if (key < last) isSorted = false;
      last = key;
    }
    if (isSorted) return;
    if (count <= FEW) this.#insert();
    else for (let shift = 0; shift < 32; shift += DIGIT_BITS) this.#distribute(shift);
  }

  #insert(): void {
    const { tokens, count } = this;
    const keys = this.#keys;
    for (let i = 1; i < count; i++) {
      const [key, token] = [keys[i], tokens[i]];
      let j = i;
      for (; j > 0 && keys[j - 1] > key; j--) {
        keys[j] = keys[j - 1];
        tokens[j] = tokens[j - 1];
      }
      keys[j] = key;
      tokens[j] = token;
    }
  }

  #distribute(shift: number): void {
    const { tokens, count } = this;
    const [keys, starts] = [this.#keys, this.#starts];
    const [toTokens, toKeys] = [this.#otherTokens, this.#otherKeys];
    starts.fill(0);
    for (let i = 0; i < count; i++) starts[(keys[i] >>> shift) & (DIGITS - 1)]++;
    let start = 0;
    for (let d = 0; d < DIGITS; d++) {
      const n = starts[d];
      starts[d] = start;
      start += n;
    }
    for (let i = 0; i < count; i++) {
      const to = starts[(keys[i] >>> shift) & (DIGITS - 1)]++;
      toTokens[to] = tokens[i];
      toKeys[to] = keys[i];
    }
    this.tokens = toTokens;
    this.#keys = toKeys;
    this.#otherTokens = tokens;
    this.#otherKeys = keys;
  }

  #grow(): void {
    const room = this.tokens.length * 2;
    const larger = new Int32Array(room);
    larger.set(this.tokens);
    this.tokens = larger;
    this.weights = new Float64Array(room);
    this.#keys = new Uint32Array(room);
    this.#otherTokens = new Int32Array(room);
    this.#otherKeys = new Uint32Array(room);
  }
}
