// Writes safetensors files for tests, honest ones and ones that lie.
export interface StoredTensor {
  readonly dtype?: unknown;
  readonly shape: unknown;
  /** Where the header says that it lies; default: where it does. */
  readonly data_offsets?: unknown;
  readonly data: Uint8Array;
}

/** `more`: JSON that is put behind the last entry; `length`: what the file says of its header. */
export function writeSafetensors(
  tensors: Readonly<Record<string, StoredTensor>>,
  { more = '', length }: { more?: string; length?: bigint } = {},
): Uint8Array<ArrayBuffer> {
  let end = 0;
  const entries = Object.entries(tensors).map(([name, { data, ...entry }]) => {
    const begin = end;
    end += data.length;
    return [name, { dtype: 'F32', data_offsets: [begin, end], ...entry }] as const;
  });
  const json = JSON.stringify(Object.fromEntries(entries)).replace(/}$/, `${more}}`);
  const header = new TextEncoder().encode(json);
  const file = new Uint8Array(8 + header.length + end);
  new DataView(file.buffer).setBigUint64(0, length ?? BigInt(header.length), true);
  file.set(header, 8);
  let at = 8 + header.length;
  for (const { data } of Object.values(tensors)) {
    file.set(data, at);
    at += data.length;
  }
  return file;
}
