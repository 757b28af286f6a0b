// Heads that share rows of a cache's pool, a layer's or all: where each begins, and how rows and
// whole heads move. Every head has the same room behind its rows.
import { sum } from '../../math/sum.ts';
import type { ColumnName } from '../cache-shape.ts';
import type { Address } from '../tensor.ts';
import type { Groups } from './groups.ts';
import type { CpuBackend, HeadRows, Kept } from './memory.ts';

/** The arrays of a pool. */
export type Columns = ReadonlyArray<{
  readonly name: ColumnName;
  /** Of a row. */
  readonly bytes: number;
  readonly address: Address;
}>;

/** Where a head is until it is laid out. */
export const NOWHERE: HeadRows = { keys: 0, values: 0, tokens: 0, state: 0, rest: 0, length: 0 };

export class Range {
  readonly heads: readonly HeadRows[];
  readonly groups?: Groups;
  readonly #backend: CpuBackend;
  readonly columns: Columns;
  readonly #rowBytes: number;
  readonly #kept: number;
  readonly #rows: number;
  /** First row of each head. */
  #starts: number[] = [];

  /** For `rows` rows, of which a compaction may leave `kept` in use. */
  constructor(
    backend: CpuBackend,
    columns: Columns,
    heads: readonly HeadRows[],
    kept: number,
    rows: number,
    groups?: Groups,
  ) {
    this.heads = heads;
    this.groups = groups;
    this.#backend = backend;
    this.columns = columns;
    this.#rowBytes = sum(columns.map(({ bytes }) => bytes));
    this.#kept = kept;
    this.#rows = rows;
  }

  /** Rows held now. */
  get rows(): number {
    return this.heads.reduce((sum, head) => sum + head.length, 0);
  }

  /** Bytes of the rows held now. */
  get bytes(): number {
    return this.rows * this.#rowBytes;
  }

  /** Rows that head i can still take. */
  roomOf(i: number): number {
    const starts = this.#starts;
    return (i + 1 < starts.length ? starts[i + 1] : this.#rows) - starts[i] - this.heads[i].length;
  }

  /**
   * Takes back every row of token number `token` and later. Heads that lose more rows than others
   * (some of the tokens were evicted there) share their room with them.
   */
  takeBack(token: number): void {
    const taken = this.heads.map((head) => {
      const tokens = this.#backend.ints(head.tokens, head.length);
      let count = 0;
      while (count < head.length && tokens[head.length - 1 - count] >= token) count++;
      head.length -= count;
      return count;
    });
    if (taken.some((count) => count !== taken[0])) this.#spread();
  }

  /** Keeps rows of each head. Throws RangeError where they are more than may be kept. */
  compact(kept: readonly Kept[], name: string): void {
    const total = kept.reduce((sum, { count }) => sum + count, 0);
    if (total > this.#kept)
      throw new RangeError(`${name} keeps ${total} rows, its share is ${this.#kept}`);
    this.heads.forEach((head, h) => {
      const { rows, count } = kept[h];
      if (count === head.length) return;
      for (const column of this.columns)
        this.#backend.compactRows(head[column.name]!, rows, count, column.bytes);
      head.length = count;
    });
    this.#spread();
    this.groups?.settle();
  }

  /** Sets lengths, of rows that the caller writes. Throws RangeError where they do not fit. */
  resize(counts: readonly number[]): void {
    const total = sum(counts);
    if (total > this.#rows) throw new RangeError(`${total} rows do not fit where ${this.#rows} do`);
    this.#starts = this.#startsFor(counts);
    this.heads.forEach((head, i) => {
      Object.assign(head, addressesAt(this.columns, this.#starts[i]), { length: counts[i] });
    });
  }

  /** First rows that give every head the same room behind its `counts[i]` rows. */
  #startsFor(counts: readonly number[]): number[] {
    const spare = Math.floor((this.#rows - sum(counts)) / counts.length);
    let start = 0;
    return counts.map((count) => {
      const at = start;
      start += count + spare;
      return at;
    });
  }

  /**
   * Gives every head the same room again. A head that moves right can only collide with the one
   * behind it, a head that moves left with the one before: so right-movers go from the last,
   * left-movers from the first.
   */
  #spread(): void {
    const starts = this.#starts;
    const next = this.#startsFor(this.heads.map((head) => head.length));
    for (let i = starts.length - 1; i >= 0; i--) if (next[i] > starts[i]) this.#move(i, next[i]);
    for (let i = 0; i < starts.length; i++) if (next[i] < starts[i]) this.#move(i, next[i]);
    this.#starts = next;
  }

  #move(i: number, row: number): void {
    const head = this.heads[i];
    const to = addressesAt(this.columns, row);
    for (const { name, bytes } of this.columns) {
      const count = head.length * bytes;
      if (count > 0) this.#backend.copy(to[name]!, head[name]!, count);
    }
    Object.assign(head, to);
  }
}

/** Where the columns of a row of the pool lie. */
export function addressesAt(columns: Columns, row: number): Omit<HeadRows, 'rest' | 'length'> {
  return Object.fromEntries(
    columns.map(({ name, bytes, address }) => [name, address + row * bytes]),
  ) as unknown as Omit<HeadRows, 'rest' | 'length'>;
}
