// Joins two stored states into one while they are read: a head and a column at a time, so that no
// more of them lies in memory than two windows of rows and a few numbers a row.
import { isGrouped } from '../backend/dtype.ts';
import { BestRows } from './best-rows.ts';
import { isNumbers, JoinedHead } from './joined-head.ts';
import type { Extent } from '../backend/state.ts';
import { cacheColumns, type CacheShape, headDims } from '../backend/cache-shape.ts';
import { checksumOfBytes, EMPTY_CHECKSUM } from './checksum.ts';
import { sum } from '../math/sum.ts';
import type { Standing } from './stored.ts';
import type { Body, StoredReader } from './stored-reader.ts';

/** Bytes of the numbers of one row of the fullest head: two heads' and the choice between them. */
const JOINED_ROW_BYTES = 2 * JoinedHead.ROW_BYTES + BestRows.ROW_BYTES;

/** Bytes that Joined needs for heads of up to `rows` rows, beside its windows. */
export const joinedBytes = (rows: number): number => rows * JOINED_ROW_BYTES;

export interface JoinOptions {
  readonly sinks: number;
  readonly recent: number;
  /** Most rows of a head. */
  readonly rows: number;
  /** Memory that rows of the two are read into, and joinedBytes(rows) for their numbers. */
  readonly windows: readonly [Uint8Array, Uint8Array];
  readonly numbers: ArrayBuffer;
}

/**
 * A state with the rows of two, as many in each head as the first has: the ones with the best
 * scores (which the policy left in their states), every token once, the first `sinks` tokens and
 * the last `recent` for certain.
 */
export class Joined implements Body {
  readonly standing: Standing;
  readonly extents: readonly Extent[];
  readonly #first: StoredReader;
  readonly #shapes: readonly CacheShape[];
  readonly #sinks: number;
  /** The first of the last `recent` tokens. */
  readonly #recent: number;
  readonly #sources: readonly [JoinedHead, JoinedHead];
  readonly #best: BestRows;
  // stage, head, column and row that come next
  #stage = 0;
  #head = -1;
  #column = 0;
  #row = 0;
  /** Bytes beside rows that were given, and their checksum. */
  #fixed = 0;
  #fixedSum = EMPTY_CHECKSUM;
  /** What the head is made of: rows of the first, or ~ rows of the second. */
  #chosen: Int32Array = new Int32Array(0);

  private constructor(
    [first, second]: readonly [StoredReader, StoredReader],
    shapes: readonly CacheShape[],
    { sinks, recent, rows, windows, numbers }: JoinOptions,
  ) {
    this.standing = first.standing;
    this.extents = first.extents;
    this.#first = first;
    this.#shapes = shapes;
    this.#sinks = sinks;
    this.#recent = first.standing.token - recent;
    const each = JoinedHead.ROW_BYTES * rows;
    this.#sources = [
      new JoinedHead(first, rows, windows[0], numbers, 0),
      new JoinedHead(second, rows, windows[1], numbers, each),
    ];
    this.#best = new BestRows(rows, numbers, 2 * each);
  }

  /**
   * Undefined where they cannot be put together: other lengths of conversation, positions that were
   * made compact, each in its own way, keys that share grids, or heads with more rows than `rows`.
   */
  static of(
    first: StoredReader,
    second: StoredReader,
    shapes: readonly CacheShape[],
    options: JoinOptions,
  ): Joined | undefined {
    const [a, b] = [first.standing, second.standing];
    if (isGrouped(shapes[0].rowType) || a.token !== b.token || a.base !== b.base || a.base >= 0)
      return undefined;
    const fits = [first, second].every(({ extents }) =>
      extents.every((e) => e.lengths.every((n) => n <= options.rows)),
    );
    return fits ? new Joined([first, second], shapes, options) : undefined;
  }

  async fill(stage: number, into: Uint8Array): Promise<number> {
    const { rowType, fixedBytes = [] } = this.#shapes[stage];
    const dims = headDims(this.#shapes[stage]);
    if (stage !== this.#stage) {
      this.#stage = stage;
      this.#head = -1;
      this.#fixed = 0;
    }
    let filled = 0;
    for (;;) {
      let columns = cacheColumns(dims[Math.max(0, this.#head)], rowType);
      if (this.#head < 0 || this.#column === columns.length) {
        if (this.#head + 1 === dims.length)
          return filled + (await this.#fillFixed(stage, sum(fixedBytes), into.subarray(filled)));
        columns = cacheColumns(dims[this.#head + 1], rowType);
        await this.#nextHead(columns);
      }
      const [name, size] = columns[this.#column];
      if (this.#row === 0) for (const source of this.#sources) source.begin(this.#column, size);
      filled += await this.#fillColumn(name, size, into.subarray(filled));
      if (this.#row < this.#chosen.length) return filled;
      if (!isNumbers(name)) for (const source of this.#sources) await source.finish();
      this.#column++;
      this.#row = 0;
    }
  }

  /** What layers keep beside rows cannot be joined: it is that of the first. */
  async #fillFixed(stage: number, bytes: number, into: Uint8Array): Promise<number> {
    const count = Math.min(bytes - this.#fixed, into.length);
    if (count === 0) return 0;
    const section = this.#first.sections[stage].at(-1)!;
    const part = into.subarray(0, count);
    await this.#first.read(section.at + this.#fixed, part);
    this.#fixedSum = checksumOfBytes(this.#fixed === 0 ? EMPTY_CHECKSUM : this.#fixedSum, part);
    this.#fixed += count;
    if (this.#fixed === bytes) this.#first.check(section, this.#fixedSum);
    return count;
  }

  /** Fills `into` with whole rows of a column, as many as it takes; gives their bytes. */
  async #fillColumn(name: string, size: number, into: Uint8Array): Promise<number> {
    const chosen = this.#chosen;
    let filled = 0;
    for (; this.#row < chosen.length && filled + size <= into.length; this.#row++) {
      const fromSecond = chosen[this.#row] < 0;
      const source = this.#sources[fromSecond ? 1 : 0];
      const row = fromSecond ? ~chosen[this.#row] : chosen[this.#row];
      if (isNumbers(name)) into.set(source.number(name, row), filled);
      else {
        if (row >= source.end) await source.move(row);
        into.set(source.row(row), filled);
      }
      filled += size;
    }
    return filled;
  }

  /** Goes on to the next head, and chooses its rows. */
  async #nextHead(columns: readonly (readonly [string, number])[]): Promise<void> {
    this.#head++;
    this.#column = 0;
    this.#row = 0;
    for (const source of this.#sources) await source.open(this.#stage, this.#head, columns);
    const [first, second] = this.#sources;
    this.#chosen = this.#best.of(first, second, first.count, this.#sinks, this.#recent);
  }
}
