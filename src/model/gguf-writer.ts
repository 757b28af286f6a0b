// Writes headers of GGUF files (version 3, little-endian): what a file says of itself as keys, and
// where its tensors lie. It holds no tensor.
import { joined } from '../math/joined.ts';
import type { WeightType } from '../backend/dtype.ts';

/** A tensor to be written. */
export interface TensorEntryOut {
  readonly name: string;
  /** Columns first. */
  readonly shape: readonly (number | bigint)[];
  readonly type: WeightType;
  readonly byteLength: number;
}

/** Keys as they stand in a file. */
export interface KeysOut {
  readonly count: number;
  readonly bytes: Uint8Array;
}

export const DEFAULT_ALIGNMENT = 32;
const VERSION = 3;
const F32 = 6;
const STRING = 8;

/** Numbers and texts, one behind the other. */
class Bytes {
  readonly #parts: Uint8Array[] = [];

  u32(value: number): void {
    this.#fixed(4, (view) => view.setUint32(0, value, true));
  }

  u64(value: number | bigint): void {
    this.#fixed(8, (view) => view.setBigUint64(0, BigInt(value), true));
  }

  f32(value: number): void {
    this.#fixed(4, (view) => view.setFloat32(0, value, true));
  }

  text(value: string): void {
    const utf8 = new TextEncoder().encode(value);
    this.u64(utf8.length);
    this.#parts.push(utf8);
  }

  bytes(value: Uint8Array): void {
    this.#parts.push(value);
  }

  #fixed(size: number, write: (view: DataView) => void): void {
    const view = new DataView(new ArrayBuffer(size));
    write(view);
    this.#parts.push(new Uint8Array(view.buffer));
  }

  get all(): Uint8Array<ArrayBuffer> {
    return joined(this.#parts);
  }
}

/** Keys of texts and of f32 numbers. */
export function keysOf(values: Readonly<Record<string, string | number>>): KeysOut {
  const bytes = new Bytes();
  const entries = Object.entries(values);
  for (const [key, value] of entries) {
    bytes.text(key);
    bytes.u32(typeof value === 'string' ? STRING : F32);
    if (typeof value === 'string') bytes.text(value);
    else bytes.f32(value);
  }
  return { count: entries.length, bytes: bytes.all };
}

/** Zeros behind so many bytes, up to the next place of an alignment. */
export const padding = (length: number, alignment = DEFAULT_ALIGNMENT): Uint8Array<ArrayBuffer> =>
  new Uint8Array((alignment - (length % alignment)) % alignment);

/** The header of a file whose tensors follow in this order, each padded. */
export function ggufHeader(
  keys: KeysOut,
  tensors: readonly TensorEntryOut[],
  alignment = DEFAULT_ALIGNMENT,
): Uint8Array<ArrayBuffer> {
  const bytes = new Bytes();
  bytes.bytes(new TextEncoder().encode('GGUF'));
  bytes.u32(VERSION);
  bytes.u64(tensors.length);
  bytes.u64(keys.count);
  bytes.bytes(keys.bytes);
  let offset = 0;
  for (const { name, shape, type, byteLength } of tensors) {
    bytes.text(name);
    bytes.u32(shape.length);
    for (const n of shape) bytes.u64(n);
    bytes.u32(type.ggml);
    bytes.u64(offset);
    offset += Math.ceil(byteLength / alignment) * alignment;
  }
  const { all } = bytes;
  return joined([all, padding(all.length, alignment)]);
}
