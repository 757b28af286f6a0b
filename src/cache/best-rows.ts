// Which rows of two heads of the same conversation are kept when they are joined (joined.ts): the
// ones with the best scores (docs/algorithms.md, 'Union of two episodes'). It knows token numbers
// and scores, no rows.

/** Rows of a head, in the order of their tokens. */
interface ScoredRows {
  readonly tokens: Int32Array;
  readonly scores: Float32Array;
}

export class BestRows {
  /** Bytes that choosing takes for each row of the fullest head. */
  static readonly ROW_BYTES = 24;

  /** The rows of both in the order of their tokens: rows of the first, or ~ rows of the second. */
  readonly #union: Int32Array;
  readonly #scores: Float32Array;
  readonly #order: Uint32Array;

  /** For heads of up to `rows` rows, in the memory of `numbers` from `at` on. */
  constructor(rows: number, numbers: ArrayBuffer, at: number) {
    this.#union = new Int32Array(numbers, at, 2 * rows);
    this.#scores = new Float32Array(numbers, at + 8 * rows, 2 * rows);
    this.#order = new Uint32Array(numbers, at + 16 * rows, 2 * rows);
  }

  /**
   * The best `count` rows of the union, no more than the first has, in the order of their tokens:
   * rows of the first, or ~ rows of the second. Tokens below `sinks` and from `recent` on come
   * before all others. The next call overwrites them.
   */
  of(
    first: ScoredRows,
    second: ScoredRows,
    count: number,
    sinks: number,
    recent: number,
  ): Int32Array {
    const [union, scores] = [this.#union, this.#scores];
    const order = this.#order.subarray(0, this.#unite(first, second, sinks, recent));
    for (let i = 0; i < order.length; i++) order[i] = i;
    order.sort((x, y) => (scores[x] === scores[y] ? x - y : scores[y] > scores[x] ? 1 : -1));
    // the union is in the order of tokens: its chosen places, ascending, are too
    const best = order.subarray(0, count).sort();
    for (const [i, at] of best.entries()) union[i] = union[at];
    return union.subarray(0, count);
  }

  /** Makes the union and its scores, of a token that both have the better; gives its length. */
  #unite(first: ScoredRows, second: ScoredRows, sinks: number, recent: number): number {
    const [a, b] = [first.tokens, second.tokens];
    let [i, j, n] = [0, 0, 0];
    for (; i < a.length || j < b.length; n++) {
      const token = Math.min(a[i] ?? Number.POSITIVE_INFINITY, b[j] ?? Number.POSITIVE_INFINITY);
      const [inFirst, inSecond] = [a[i] === token, b[j] === token];
      this.#union[n] = inFirst ? i : ~j;
      this.#scores[n] =
        token < sinks || token >= recent
          ? Number.POSITIVE_INFINITY
          : inFirst && inSecond
            ? Math.max(first.scores[i], second.scores[j])
            : inFirst
              ? first.scores[i]
              : second.scores[j];
      if (inFirst) i++;
      if (inSecond) j++;
    }
    return n;
  }
}
