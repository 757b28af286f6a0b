// Reads a GGUF header from first to last, a piece of the file at a time, and believes none of it:
// a length is held against the file's size and our limits before anything is read or kept for it.
import { clip } from './damaged.ts';
import { HeaderCursor } from './header-cursor.ts';
import { readText, readValue } from './header-value.ts';
import type { ModelSource } from './source.ts';
import { metadataOf } from './text-list.ts';

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
  /** Where the keys are in the file, one behind the other. */
  readonly keys: readonly { readonly name: string; readonly begin: number; readonly end: number }[];
  /** Where the header ends in the file, before it is aligned. */
  readonly end: number;
}

/** Magic, version, tensor count, key count. */
export const FIXED_BYTES = 24;
/** An empty name, one dimension, type and offset. */
const LEAST_TENSOR_BYTES = 8 + 4 + 8 + 4 + 8;
/** An empty key, its type, one byte. */
const LEAST_KEY_BYTES = 8 + 4 + 1;

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

/**
 * Reads the header of a little-endian file of version 2 or 3. Throws ModelFormatError for what
 * cannot be one, the signal's reason when aborted. Metadata hold numbers, bigints for types of 64
 * bits, booleans, strings (U+FEFF in front included) and arrays of one of these.
 */
export async function readHeader(source: ModelSource, signal?: AbortSignal): Promise<Header> {
  const cursor = new HeaderCursor(source, signal);
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
  const names = new Set<string>();
  const keys: { name: string; begin: number; end: number }[] = [];
  for (let i = 0; i < Number(keyCount); i++) {
    const begin = cursor.position;
    const key = await readText(cursor, `the name of key ${i}`, MAX_NAME_BYTES);
    if (names.has(key)) cursor.fail(`metadata '${clip(key)}' is there twice`);
    names.add(key);
    metadata.set(key, await readValue(cursor, key));
    keys.push({ name: key, begin, end: cursor.position });
  }

  const tensors: TensorEntry[] = [];
  for (let i = 0; i < Number(tensorCount); i++) tensors.push(await readTensorEntry(cursor, i));
  return { metadata: metadataOf(metadata), tensors, keys, end: cursor.position };
}

async function readTensorEntry(cursor: HeaderCursor, i: number): Promise<TensorEntry> {
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
  return { name, shape, type: cursor.u32(), offset: cursor.u64() };
}
