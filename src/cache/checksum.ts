// Checksums of stored states, by which damage is told. Not made against those who change a state
// on purpose.

/** The checksum of no words at all: where every checksum begins. */
export const EMPTY_CHECKSUM = 0x811c9dc5 | 0;

/**
 * FNV-1a over 32-bit words: a change of any one word changes it. `before` is the checksum of the
 * words before these.
 */
export function checksum(before: number, words: Int32Array): number {
  let h = before;
  for (let i = 0; i < words.length; i++) h = Math.imul(h ^ words[i], 0x01000193);
  return h;
}

/** The same of bytes, whole words of them. */
export const checksumOfBytes = (before: number, bytes: Uint8Array): number =>
  checksum(before, new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2));

/** The checksum at the end of a tail: that of all before it. */
export const checksumOfTail = (tail: Int32Array): number =>
  checksum(EMPTY_CHECKSUM, tail.subarray(0, -1));

/**
 * Makes the checksum of each section of a body whose bytes come in order, cut anywhere between
 * words.
 */
export class SectionChecksums {
  /** A checksum for each section that has ended, and a number for that of the tail. */
  readonly sums: Int32Array<ArrayBuffer>;
  readonly #sections: readonly number[];
  #section = -1;
  /** Bytes of the section that have not come. */
  #left = 0;
  #sum = EMPTY_CHECKSUM;

  /** `sections`: their bytes. */
  constructor(sections: readonly number[]) {
    this.#sections = sections;
    this.sums = new Int32Array(sections.length + 1);
    this.#next();
  }

  /** Adds bytes; `ended` hears which sections ended with them. */
  add(bytes: Uint8Array, ended?: (section: number) => void): void {
    for (let at = 0; at < bytes.length;) {
      const count = Math.min(this.#left, bytes.length - at);
      this.#sum = checksumOfBytes(this.#sum, bytes.subarray(at, at + count));
      at += count;
      this.#left -= count;
      if (this.#left > 0) continue;
      this.sums[this.#section] = this.#sum;
      ended?.(this.#section);
      this.#next();
    }
  }

  /** The checksums of all sections, and one of these. */
  tail(): Int32Array<ArrayBuffer> {
    this.sums[this.sums.length - 1] = checksumOfTail(this.sums);
    return this.sums;
  }

  /** Goes on to the next section that has bytes. */
  #next(): void {
    this.#sum = EMPTY_CHECKSUM;
    while (++this.#section < this.#sections.length) {
      this.#left = this.#sections[this.#section];
      if (this.#left > 0) return;
      this.sums[this.#section] = EMPTY_CHECKSUM;
    }
    this.#left = 0;
  }
}
