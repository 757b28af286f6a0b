// A list of whole numbers that grows, four bytes each: token ids of a conversation of any length.

const FIRST_ROOM = 1024;

export class IntList {
  #numbers = new Int32Array(FIRST_ROOM);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** With the room that is kept for more. */
  get bytes(): number {
    return this.#numbers.byteLength;
  }

  at(index: number): number {
    return this.#numbers[index];
  }

  push(numbers: ArrayLike<number>): void {
    const length = this.#length + numbers.length;
    if (length > this.#numbers.length) {
      const larger = new Int32Array(Math.max(2 * this.#numbers.length, length));
      larger.set(this.#numbers.subarray(0, this.#length));
      this.#numbers = larger;
    }
    this.#numbers.set(numbers, this.#length);
    this.#length = length;
  }

  /** Forgets all from number `length` on. */
  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
  }

  /** Numbers [begin, end). */
  slice(begin = 0, end = this.#length): number[] {
    return Array.from(this.#numbers.subarray(Math.max(0, begin), Math.min(end, this.#length)));
  }
}
