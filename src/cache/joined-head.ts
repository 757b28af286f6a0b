// A head of one of two states that are joined (joined.ts): its tokens and scores whole, its other
// columns through a window of rows that moves on, so that a head never lies in memory as a whole.
import { checksumOfBytes, EMPTY_CHECKSUM } from './checksum.ts';
import type { Section, StoredReader } from './stored-reader.ts';

/** The columns that are read whole: the token numbers of the rows, and their scores. */
type NumbersColumn = 'tokens' | 'state';

export const isNumbers = (column: string): column is NumbersColumn =>
  column === 'tokens' || column === 'state';

export class JoinedHead {
  /** Bytes that a row's token and score take. */
  static readonly ROW_BYTES = 8;

  /** Rows of the head. */
  count = 0;
  /** The row behind the last one that was read of the column. */
  end = 0;
  readonly #state: StoredReader;
  readonly #window: Uint8Array;
  readonly #numbers: {
    readonly tokens: Int32Array<ArrayBuffer>;
    readonly state: Float32Array<ArrayBuffer>;
  };
  /** The head's columns, and the one that is read. */
  #columns: readonly Section[] = [];
  #column!: Section;
  /** Bytes of a row of it. */
  #size = 0;
  /** The first row in the window; the last is `end - 1`. */
  #first = 0;
  /** Checksum of what was read of the column. */
  #sum = EMPTY_CHECKSUM;

  /** For heads of up to `rows` rows, whose numbers lie in `numbers` from `at` on. */
  constructor(
    state: StoredReader,
    rows: number,
    window: Uint8Array,
    numbers: ArrayBuffer,
    at: number,
  ) {
    this.#state = state;
    this.#window = window;
    this.#numbers = {
      tokens: new Int32Array(numbers, at, rows),
      state: new Float32Array(numbers, at + 4 * rows, rows),
    };
  }

  /** Token number of each row, ascending. */
  get tokens(): Int32Array {
    return this.#numbers.tokens.subarray(0, this.count);
  }

  get scores(): Float32Array {
    return this.#numbers.state.subarray(0, this.count);
  }

  /** Goes on to a head: reads its tokens and scores. */
  async open(
    stage: number,
    head: number,
    columns: readonly (readonly [string, number])[],
  ): Promise<void> {
    const all = this.#state.sections[stage];
    this.#columns = all.slice(head * columns.length, (head + 1) * columns.length);
    this.count = this.#state.extents[stage].lengths[head];
    for (const [column, [name]] of columns.entries()) {
      if (!isNumbers(name)) continue;
      const { buffer, byteOffset } = this.#numbers[name];
      const bytes = new Uint8Array(buffer, byteOffset, 4 * this.count);
      await this.#state.read(this.#columns[column].at, bytes);
      this.#state.check(this.#columns[column], checksumOfBytes(EMPTY_CHECKSUM, bytes));
    }
  }

  /** Goes on to a column, of rows of `size` bytes. */
  begin(column: number, size: number): void {
    this.#column = this.#columns[column];
    this.#size = size;
    this.#first = 0;
    this.end = 0;
    this.#sum = EMPTY_CHECKSUM;
  }

  /** Moves the window on until a row is in it. */
  async move(row: number): Promise<void> {
    while (row >= this.end) {
      const rows = Math.min(Math.floor(this.#window.length / this.#size), this.count - this.end);
      const part = this.#window.subarray(0, rows * this.#size);
      await this.#state.read(this.#column.at + this.end * this.#size, part);
      this.#sum = checksumOfBytes(this.#sum, part);
      this.#first = this.end;
      this.end += rows;
    }
  }

  /** Reads the rest of the column, whose checksum is of all of it. Throws LostError. */
  async finish(): Promise<void> {
    if (this.count > 0) await this.move(this.count - 1);
    this.#state.check(this.#column, this.#sum);
  }

  /** The bytes of a row in the window. */
  row(row: number): Uint8Array {
    const at = (row - this.#first) * this.#size;
    return this.#window.subarray(at, at + this.#size);
  }

  /** The bytes of a row's token or score. */
  number(name: NumbersColumn, row: number): Uint8Array {
    const { buffer, byteOffset } = this.#numbers[name];
    return new Uint8Array(buffer, byteOffset + 4 * row, 4);
  }
}
