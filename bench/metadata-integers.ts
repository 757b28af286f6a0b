// Keys of GGUF files that must be whole numbers with a sign.
import type { MetadataValue } from '../test/gguf-writer.ts';

/** Whole numbers of 32 bits with a sign, which some keys must be. */
export function integers(values: readonly number[]): MetadataValue {
  const bytes = new DataView(new ArrayBuffer(16 + 4 * values.length));
  bytes.setUint32(0, 9, true); // an array
  bytes.setUint32(4, 5, true); // of i32
  bytes.setBigUint64(8, BigInt(values.length), true);
  for (const [i, value] of values.entries()) bytes.setInt32(16 + 4 * i, value, true);
  return { raw: new Uint8Array(bytes.buffer) };
}
