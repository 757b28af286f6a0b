// The bytes of a file that came, as far as they are still wanted: those from a place on that moves
// forward. It knows nothing of where they come from.

/** Bytes kept to compare where an answer overlaps what was read. */
const TAIL_BYTES = 4096;

export class Received {
  /** The first byte that is kept, and the one behind the last that came. */
  begin: number;
  end: number;
  /** Bytes from begin to end. */
  #chunks: Uint8Array[] = [];
  /** Nothing before it is wanted. */
  #floor = 0;
  /** The last bytes that came, whether they are still wanted or not. */
  readonly #tail = new Uint8Array(TAIL_BYTES);
  tailLength = 0;

  /** `at`: the offset in the file of the first byte that is to come. */
  constructor(at = 0) {
    this.begin = at;
    this.end = at;
  }

  /** Takes the bytes that come next. */
  add(bytes: Uint8Array): void {
    this.end += bytes.length;
    this.#chunks.push(bytes);
    this.#keepTail(bytes.subarray(-TAIL_BYTES));
    this.forget(this.#floor);
  }

  /** Up to `length` bytes from `offset` on, as far as they came. */
  read(offset: number, length: number): Uint8Array {
    const wanted = Math.max(0, Math.min(length, this.end - offset));
    const out = new Uint8Array(wanted);
    let at = this.begin;
    for (const chunk of this.#chunks) {
      const from = Math.max(0, offset - at);
      const to = Math.min(chunk.length, offset + wanted - at);
      if (from < to) out.set(chunk.subarray(from, to), at + from - offset);
      at += chunk.length;
    }
    return out;
  }

  /** Drops what lies before `offset`. */
  forget(offset: number): void {
    this.#floor = Math.max(this.#floor, offset);
    let dropped = 0;
    while (
      dropped < this.#chunks.length &&
      this.begin + this.#chunks[dropped].length <= this.#floor
    )
      this.begin += this.#chunks[dropped++].length;
    if (dropped > 0) this.#chunks = this.#chunks.slice(dropped);
  }

  clear(): void {
    this.#chunks = [];
  }

  /**
   * The first of some bytes, which came again from `at` on, that is another than it was; undefined
   * where none is among the last that came.
   */
  firstChange(bytes: Uint8Array, at: number): number | undefined {
    const tailBegin = this.end - this.tailLength;
    const from = Math.max(at, tailBegin);
    const to = Math.min(at + bytes.length, this.end);
    for (let i = from; i < to; i++) if (bytes[i - at] !== this.#tail[i - tailBegin]) return i;
    return undefined;
  }

  #keepTail(bytes: Uint8Array): void {
    const kept = Math.min(this.tailLength, TAIL_BYTES - bytes.length);
    this.#tail.copyWithin(0, this.tailLength - kept, this.tailLength);
    this.#tail.set(bytes, kept);
    this.tailLength = kept + bytes.length;
  }
}
