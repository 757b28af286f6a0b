// A place in a GGUF header that moves on, with the piece of the file around it. It knows numbers
// and texts and how far a header may go; what they mean is in header.ts and header-value.ts.
import { clip, damaged } from './damaged.ts';
import type { ModelSource } from './source.ts';
import type { TextList } from './text-list.ts';
import { textOf } from './utf8.ts';

/** Bytes asked of the source at once: a small model's whole header, a large one's in some forty. */
const CHUNK_BYTES = 1 << 18;
/**
 * Vocabularies of 262,144 tokens with merges make headers of some 20 MB; what is larger is no
 * model.
 */
export const MAX_HEADER_BYTES = 64 << 20;
/**
 * Items of all arrays together: 262,144 tokens, scores and types and 514,906 merges are 1.3
 * million.
 */
const MAX_ITEMS = 1 << 22;

/** Bytes of the value types by their numbers; strings and arrays have no size of their own. */
export const scalarBytes: readonly number[] = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

export class HeaderCursor {
  readonly #source: ModelSource;
  readonly #signal: AbortSignal | undefined;
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  /** Where #bytes begin in the file. */
  #begin = 0;
  #at = 0;
  #items = 0;

  constructor(source: ModelSource, signal?: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
  }

  get position(): number {
    return this.#begin + this.#at;
  }

  fail(what: string): never {
    throw damaged(this.#source, what);
  }

  /** Throws where `count` more bytes cannot be there. */
  expect(count: number): void {
    const end = this.position + count;
    if (end > this.#source.sizeBytes) {
      this.fail(`its header goes on past its end: to byte ${end} of ${this.#source.sizeBytes}`);
    }
    if (end > MAX_HEADER_BYTES)
      this.fail(`its header has ${end} bytes or more, the limit is ${MAX_HEADER_BYTES}`);
  }

  /** Counts the items of an array. Throws where those of all arrays are too many. */
  countItems(count: number, key: string): void {
    this.#items += count;
    if (this.#items > MAX_ITEMS) {
      this.fail(
        `its arrays up to '${clip(key)}' have ${this.#items} items, the limit is ${MAX_ITEMS}`,
      );
    }
  }

  /** Whether the next `count` bytes are in the piece. */
  has(count: number): boolean {
    return this.#at + count <= this.#bytes.length;
  }

  /** How many whole items of `size` bytes are left in the piece. */
  whole(size: number): number {
    return Math.floor((this.#bytes.length - this.#at) / size);
  }

  /** Reads on where the next `count` bytes are not in the piece. */
  async need(count: number): Promise<void> {
    if (this.has(count)) return;
    this.#signal?.throwIfAborted();
    this.expect(count);
    this.#begin = this.position;
    this.#at = 0;
    this.#source.forget(this.#begin);
    const bytes = await this.#source.read(this.#begin, Math.max(count, CHUNK_BYTES));
    // decoders take no shared memory
    const shared =
      typeof SharedArrayBuffer !== 'undefined' && bytes.buffer instanceof SharedArrayBuffer;
    this.#bytes = shared ? bytes.slice() : bytes;
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length);
    if (!this.has(count))
      this.fail(`its header goes on past its end, byte ${this.#begin + bytes.length}`);
  }

  skip(count: number): void {
    this.#at += count;
  }

  u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, true);
  }

  u64(): bigint {
    this.#at += 8;
    return this.#view.getBigUint64(this.#at - 8, true);
  }

  /**
   * A u64 that counts something, rounded where that makes no difference: it is far too large
   * then.
   */
  length(): number {
    this.#at += 8;
    const low = this.#view.getUint32(this.#at - 8, true);
    const high = this.#view.getUint32(this.#at - 4, true);
    // (a sum with a product is a float, which engines may allocate: each text has a length)
    return high === 0 ? low : low + high * 2 ** 32;
  }

  scalar(type: number): number | bigint | boolean {
    const at = this.#at;
    const view = this.#view;
    this.#at += scalarBytes[type];
    switch (type) {
      case 0:
        return view.getUint8(at);
      case 1:
        return view.getInt8(at);
      case 2:
        return view.getUint16(at, true);
      case 3:
        return view.getInt16(at, true);
      case 4:
        return view.getUint32(at, true);
      case 5:
        return view.getInt32(at, true);
      case 6:
        return view.getFloat32(at, true);
      case 7:
        return view.getUint8(at) !== 0;
      case 10:
        return view.getBigUint64(at, true);
      case 11:
        return view.getBigInt64(at, true);
      default:
        return view.getFloat64(at, true);
    }
  }

  /** Adds texts, each behind its length, to a list until it has `count` or the piece ends. */
  textsHere(texts: TextList, count: number): void {
    while (texts.length < count && this.has(8)) {
      const length = this.length();
      if (!this.has(length)) {
        this.#at -= 8;
        return;
      }
      this.textInto(texts, length);
    }
  }

  textInto(texts: TextList, length: number): void {
    texts.pushBytes(this.#bytes, this.#at, this.#at + length);
    this.#at += length;
  }

  /** Invalid UTF-8 becomes U+FFFD: a damaged description is no reason to refuse a model. */
  text(length: number): string {
    this.#at += length;
    return textOf(this.#bytes, this.#at - length, this.#at);
  }
}
