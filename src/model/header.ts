// Reads a GGUF header from first to last, a piece of the file at a time, and believes none of it:
// a length is held against the file's size and our limits before anything is read or kept for it.
import { ModelFormatError } from '../errors.ts';
import type { ModelSource } from './source.ts';

/** What the header says of a tensor, unchecked but for the number of its dimensions. */
export interface TensorEntry {
  readonly name: string;
  /** Columns first. */
  readonly shape: readonly bigint[];
  readonly type: number;
  /** From the first byte behind the header. */
  readonly offset: bigint;
}

export interface Header {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly tensors: readonly TensorEntry[];
  /** Where the header ends in the file, before it is aligned. */
  readonly end: number;
}

/** Magic, version, tensor count, key count. */
export const FIXED_BYTES = 24;
/** An empty name, one dimension, type and offset. */
const LEAST_TENSOR_BYTES = 8 + 4 + 8 + 4 + 8;
/** An empty key, its type, one byte. */
const LEAST_KEY_BYTES = 8 + 4 + 1;

/** Bytes asked of the source at once: a small model's whole header, a large one's in some forty. */
const CHUNK_BYTES = 1 << 18;
/**
 * Vocabularies of 262,144 tokens with merges make headers of some 20 MB; what is larger is no
 * model.
 */
const MAX_HEADER_BYTES = 64 << 20;
/**
 * Items of all arrays together: 262,144 tokens, scores and types and 514,906 merges are 1.3
 * million.
 */
const MAX_ITEMS = 1 << 22;
/** Models have some fifty keys, adapters and tool-made files some hundred. */
const MAX_KEYS = 1 << 14;
/**
 * The largest models have some thousand; one tensor for each of 256 experts in 61 layers, 47,000.
 */
const MAX_TENSORS = 1 << 17;
/**
 * Both from the format's description and ggml: keys end at 65,535 bytes, tensors have 1 to 4
 * dimensions.
 */
const MAX_NAME_BYTES = 65535;
const MAX_DIMENSIONS = 4;

/** Value types by number; a string and an array have no size of their own. */
const STRING = 8;
const ARRAY = 9;
const sizes = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

/**
 * Texts up to here are put together from characters while they are ASCII: most tokens are, and a
 * decoder costs more.
 */
const SHORT_TEXT = 12;

/**
 * Reads the header of a little-endian file of version 2 or 3. Throws ModelFormatError for what
 * cannot be one, the signal's reason when aborted. Metadata hold numbers, bigints for types of 64
 * bits, booleans, strings (U+FEFF in front included) and arrays of one of these.
 */
export async function readHeader(source: ModelSource, signal?: AbortSignal): Promise<Header> {
  const cursor = new Cursor(source, signal);
  await cursor.need(FIXED_BYTES);
  cursor.skip(4);
  const version = cursor.u32();
  const tensorCount = cursor.u64();
  const keyCount = cursor.u64();
  const least = tensorCount * BigInt(LEAST_TENSOR_BYTES) + keyCount * BigInt(LEAST_KEY_BYTES);
  if (Number(least) > source.sizeBytes) {
    const counts = `${tensorCount} tensors and ${keyCount} keys`;
    cursor.fail(`claims ${counts}, more than its ${source.sizeBytes} bytes can hold`);
  }
  if (tensorCount > MAX_TENSORS)
    cursor.fail(`claims ${tensorCount} tensors, the limit is ${MAX_TENSORS}`);
  if (keyCount > MAX_KEYS) cursor.fail(`claims ${keyCount} keys, the limit is ${MAX_KEYS}`);

  // what the file tells outside of its keys, under names that no published key has
  const metadata = new Map<string, unknown>([
    ['version', version],
    ['tensor_count', tensorCount],
    ['kv_count', keyCount],
  ]);
  const keys = new Set<string>();
  for (let i = 0; i < Number(keyCount); i++) {
    const key = await readText(cursor, `the name of key ${i}`, MAX_NAME_BYTES);
    if (keys.has(key)) cursor.fail(`metadata '${clip(key)}' is there twice`);
    keys.add(key);
    metadata.set(key, await readValue(cursor, key));
  }

  const tensors: TensorEntry[] = [];
  for (let i = 0; i < Number(tensorCount); i++) {
    const name = await readText(cursor, `the name of tensor ${i}`, MAX_NAME_BYTES);
    await cursor.need(4);
    const dimensions = cursor.u32();
    if (dimensions < 1 || dimensions > MAX_DIMENSIONS) {
      cursor.fail(
        `tensor '${clip(name)}' has ${dimensions} dimensions, expected 1 to ${MAX_DIMENSIONS}`,
      );
    }
    await cursor.need(8 * dimensions + 4 + 8);
    const shape = Array.from({ length: dimensions }, () => cursor.u64());
    tensors.push({ name, shape, type: cursor.u32(), offset: cursor.u64() });
  }
  // own properties whatever they are called, '__proto__' too
  return { metadata: Object.fromEntries(metadata), tensors, end: cursor.position };
}

/** A name as messages show it. */
export const clip = (name: string): string => name.slice(0, 80);

/** Every refusal of what cannot be true. */
export function damaged(source: ModelSource, what: string): ModelFormatError {
  return new ModelFormatError(
    `${source.name}: ${what}. The file is damaged or was cut off: get another copy.`,
  );
}

async function readText(cursor: Cursor, what: string, most = MAX_HEADER_BYTES): Promise<string> {
  if (!cursor.has(8)) await cursor.need(8);
  const length = cursor.length();
  if (length > most) cursor.fail(`${what} has ${length} bytes, the limit is ${most}`);
  if (!cursor.has(length)) await cursor.need(length);
  return cursor.text(length);
}

async function readValue(cursor: Cursor, key: string): Promise<unknown> {
  await cursor.need(4);
  const type = cursor.u32();
  if (type === STRING) return readText(cursor, `metadata '${clip(key)}'`);
  if (type === ARRAY) return readArray(cursor, key);
  if (!(type < sizes.length))
    cursor.fail(
      `metadata '${clip(key)}' has type ${type}, the format has 0 to ${sizes.length - 1}`,
    );
  await cursor.need(sizes[type]);
  return cursor.scalar(type);
}

async function readArray(cursor: Cursor, key: string): Promise<unknown[]> {
  await cursor.need(4 + 8);
  const type = cursor.u32();
  const count = cursor.length();
  if (type === ARRAY)
    cursor.fail(`metadata '${clip(key)}' is an array of arrays, which no model file has`);
  if (!(type < sizes.length))
    cursor.fail(
      `metadata '${clip(key)}' is an array of type ${type}, the format has 0 to ${sizes.length - 1}`,
    );
  cursor.expect(count * (type === STRING ? 8 : sizes[type]));
  cursor.countItems(count, key);
  const items: unknown[] = [];
  if (type === STRING) {
    const what = `an item of metadata '${clip(key)}'`;
    for (let i = 0; i < count; i++) {
      // nothing is awaited for each of some hundred thousand tokens
      const text = cursor.textHere() ?? (await readText(cursor, what));
      items.push(text);
    }
    return items;
  }
  const size = sizes[type];
  while (items.length < count) {
    await cursor.need(size);
    const here = Math.min(count - items.length, cursor.whole(size));
    for (let i = 0; i < here; i++) items.push(cursor.scalar(type));
  }
  return items;
}

/** A place in the header, and the piece of the file around it. */
class Cursor {
  readonly #source: ModelSource;
  readonly #signal: AbortSignal | undefined;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
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

  countItems(count: number, key: string): void {
    this.#items += count;
    if (this.#items > MAX_ITEMS) {
      this.fail(
        `its arrays up to '${clip(key)}' have ${this.#items} items, the limit is ${MAX_ITEMS}`,
      );
    }
  }

  has(count: number): boolean {
    return this.#at + count <= this.#bytes.length;
  }

  /** How many items of `size` bytes are here. */
  whole(size: number): number {
    return Math.floor((this.#bytes.length - this.#at) / size);
  }

  /** Makes the next `count` bytes be here. */
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
    return (
      this.#view.getUint32(this.#at - 8, true) + this.#view.getUint32(this.#at - 4, true) * 2 ** 32
    );
  }

  scalar(type: number): number | bigint | boolean {
    const at = this.#at;
    const view = this.#view;
    this.#at += sizes[type];
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

  /** A text behind its length, if both are here. */
  textHere(): string | undefined {
    if (!this.has(8)) return undefined;
    const length = this.length();
    if (this.has(length)) return this.text(length);
    this.#at -= 8;
    return undefined;
  }

  /** Invalid UTF-8 becomes U+FFFD: a damaged description is no reason to refuse a model. */
  text(length: number): string {
    const begin = this.#at;
    const bytes = this.#bytes;
    this.#at += length;
    if (length <= SHORT_TEXT) {
      let text = '';
      let i = begin;
      for (; i < this.#at && bytes[i] < 128; i++) text += String.fromCharCode(bytes[i]);
      if (i === this.#at) return text;
    }
    return this.#decoder.decode(bytes.subarray(begin, this.#at));
  }
}
