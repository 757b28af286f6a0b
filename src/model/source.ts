// Where a model's bytes come from: a path, a URL, a Blob, or memory, behind one way to read them. Reads go forward through the file,
// so that a URL is one request, kept only as far as it has not been used.
import { runtime } from '#runtime';
import { ModelFormatError, OptionError } from '../errors.ts';

export type ModelInput = string | URL | Blob | ArrayBuffer | Uint8Array;

export interface ModelSource {
  /** For messages: the path, the URL, or what kind of input it was. */
  readonly name: string;
  /** Infinity where a server does not say. */
  readonly sizeBytes: number;
  /** Up to `length` bytes from `offset`, fewer only at the end. They are the caller's until the next read. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Promises that nothing before `offset` will be read again. */
  forget(offset: number): void;
  close(): Promise<void>;
}

/** Opens a model for reading. Throws OptionError for what is no input; ModelFormatError where a server answers with an error. */
export async function openSource(input: ModelInput, signal?: AbortSignal): Promise<ModelSource> {
  if (input instanceof Uint8Array || input instanceof ArrayBuffer) {
    const bytes = input instanceof Uint8Array ? input : new Uint8Array(input);
    return {
      name: 'bytes',
      sizeBytes: bytes.length,
      read: async (offset, length) => bytes.subarray(offset, offset + length),
      forget() {},
      close: async () => {},
    };
  }
  if (typeof Blob !== 'undefined' && input instanceof Blob) {
    return {
      name: 'name' in input && typeof input.name === 'string' ? input.name : 'blob',
      sizeBytes: input.size,
      read: async (offset, length) => new Uint8Array(await input.slice(offset, offset + length).arrayBuffer()),
      forget() {},
      close: async () => {},
    };
  }
  if (typeof input !== 'string' && !(input instanceof URL)) {
    throw new OptionError(`a model is a path, URL, Blob, ArrayBuffer or Uint8Array; found ${input === null ? 'null' : typeof input}`);
  }
  const text = String(input);
  if (/^(https?|blob|data):/.test(text)) return openStream(text, signal);
  const path = text.startsWith('file:') ? decodeURIComponent(new URL(text).pathname) : text;
  try {
    const file = await runtime.openFile(path);
    return { name: path, sizeBytes: file.sizeBytes, read: file.read, forget() {}, close: file.close };
  } catch (cause) {
    if ((cause as { code?: string }).code === 'ENOENT') throw new OptionError(`no file at '${path}': check the path`, { cause });
    if ((cause as { code?: string }).code === 'EISDIR') throw new OptionError(`'${path}' is a folder: name a .gguf file`, { cause });
    throw cause;
  }
}

async function openStream(url: string, signal?: AbortSignal): Promise<ModelSource> {
  const response = await fetch(url, { signal });
  if (!response.ok || !response.body) throw new ModelFormatError(`${url} answered ${response.status} ${response.statusText}: expected a GGUF file`);
  const announced = response.headers.get('content-encoding') ? null : response.headers.get('content-length');
  const reader = response.body.getReader();
  let chunks: Uint8Array[] = [];
  let begin = 0; // offset of the first byte kept
  let end = 0; // offset after the last byte received
  let finished = false;
  return {
    name: url,
    sizeBytes: announced === null ? Number.POSITIVE_INFINITY : Number(announced),
    async read(offset, length) {
      if (offset < begin) throw new RangeError(`${url}: offset ${offset} was forgotten`);
      while (end < offset + length && !finished) {
        const { done, value } = await reader.read();
        if (done) finished = true;
        else {
          chunks.push(value);
          end += value.length;
        }
      }
      const wanted = Math.max(0, Math.min(length, end - offset));
      const out = new Uint8Array(wanted);
      let at = begin;
      for (const chunk of chunks) {
        const from = Math.max(0, offset - at);
        const to = Math.min(chunk.length, offset + wanted - at);
        if (from < to) out.set(chunk.subarray(from, to), at + from - offset);
        at += chunk.length;
      }
      return out;
    },
    forget(offset) {
      let dropped = 0;
      while (dropped < chunks.length && begin + chunks[dropped].length <= offset) begin += chunks[dropped++].length;
      if (dropped > 0) chunks = chunks.slice(dropped);
    },
    async close() {
      chunks = [];
      if (!finished) await reader.cancel().catch(() => {});
    },
  };
}
