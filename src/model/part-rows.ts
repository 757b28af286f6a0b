// Rows of a file's tensor that are a matrix of their own, on their way to where it is kept: whole
// groups of rows, wherever the file's pieces begin and end.
import type { RowsPart } from './blocks/block.ts';
import { GROUP_ROWS } from './tensors.ts';

export class PartRows {
  readonly #part: RowsPart & { readonly isPadded?: boolean };
  /** Of the matrix. */
  readonly #rows: number;
  /** Rows that were handed on, and those that wait for their group to be whole. */
  #done = 0;
  #waiting: Uint8Array[] = [];

  /** `rows`: of the file's tensor. */
  constructor(part: RowsPart & { readonly isPadded?: boolean }, rows: number) {
    this.#part = part;
    this.#rows = (rows / part.period) * part.count;
  }

  /** Takes its own of rows `row` .. `row + rows` of the file's tensor; hands on what is whole. */
  take(
    row: number,
    rows: number,
    bytes: Uint8Array,
    put: (row: number, rows: number, bytes: Uint8Array) => void,
  ): void {
    const { period, from, count } = this.#part;
    const size = bytes.length / rows;
    for (let i = 0; i < rows; i++) {
      const at = (row + i) % period;
      // (the bytes are the caller's again afterwards)
      if (at >= from && at < from + count)
        this.#waiting.push(bytes.slice(i * size, (i + 1) * size));
    }
    const isLast = this.#done + this.#waiting.length === this.#rows;
    const ready = isLast
      ? this.#waiting.length
      : this.#waiting.length - (this.#waiting.length % GROUP_ROWS);
    if (ready === 0) return;
    // where others follow, the last group is filled up with zeros
    const groups = this.#part.isPadded ? Math.ceil(ready / GROUP_ROWS) * GROUP_ROWS : ready;
    const whole = new Uint8Array(groups * size);
    for (const [i, each] of this.#waiting.splice(0, ready).entries()) whole.set(each, i * size);
    put(this.#done, groups, whole);
    this.#done += ready;
  }
}
