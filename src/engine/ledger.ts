// How many rows each layer holds, and how many more it can take. All of it follows from the plan
// and from the steps that were asked for, not from scores: so it is known before a step is done,
// and several blocks can be under way through layers in workers.
//
// A step that evicts leaves a layer exactly its share, or every token where there are fewer; each
// head of a range has the same room then (cache.ts).
import { type CacheShape, cacheRanges, layerShapes } from '../backend/cache-shape.ts';
import { sum } from '../math/sum.ts';

export class Ledger {
  readonly #ranges: ReturnType<typeof cacheRanges>;
  readonly #kvHeads: readonly number[];
  #rows: number[] = [];
  #room: number[] = [];

  constructor(shape: CacheShape) {
    this.#ranges = cacheRanges(shape);
    this.#kvHeads = layerShapes(shape).map(({ kvHeads }) => kvHeads);
    this.set(this.#ranges.map(() => 0));
  }

  /** Rows of each range. */
  get rows(): readonly number[] {
    return this.#rows;
  }

  /** Tokens that every head can still take. */
  get room(): number {
    return Math.min(...this.#room);
  }

  /**
   * For each range, whether `tokens` more would leave it with more than its layers' rows and
   * `sinks` a head.
   */
  exceeding(tokens: number, layerRows: readonly number[], sinks: number): boolean[] {
    const limits = this.#limits(layerRows, sinks);
    return this.#rows.map((rows, i) => rows + tokens * this.#ranges[i].heads > limits[i]);
  }

  /** `tokens` rows were appended to every head, or taken back where the number is negative. */
  append(tokens: number): void {
    this.#rows = this.#rows.map((rows, i) => rows + tokens * this.#ranges[i].heads);
    this.#room = this.#room.map((room) => room - tokens);
  }

  /** A step evicted, `tokens` into the conversation. */
  evict(tokens: number, layerRows: readonly number[], sinks: number): void {
    const limits = this.#limits(layerRows, sinks);
    this.set(this.#ranges.map(({ heads }, i) => Math.min(tokens * heads, limits[i])));
  }

  /** Heads were laid out anew with so many rows in each range. */
  set(rows: readonly number[]): void {
    this.#rows = [...rows];
    this.#room = this.#ranges.map(({ rows: all, heads }, i) =>
      heads > 0 ? Math.floor((all - rows[i]) / heads) : Number.POSITIVE_INFINITY,
    );
  }

  #limits(layerRows: readonly number[], sinks: number): number[] {
    const limits = layerRows.map((rows, layer) => this.#kvHeads[layer] * (rows + sinks));
    return this.#ranges.length === 1 ? [sum(limits)] : limits;
  }
}
