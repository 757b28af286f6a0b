// Where a model's bytes come from: a path, a URL, a Blob, or memory, behind one way to read them.
// Reads go forward through the file, so that a URL is one request, kept only as far as it has not
// been used.
import { runtime } from '#runtime';
import { DeviceError, OptionError, RecollectError } from '../errors.ts';
import { openDownload } from './download/download.ts';
import type { DownloadOptions } from './download/options.ts';
import type { Headed } from './gguf.ts';

export type ModelInput = string | URL | Blob | ArrayBufferLike | ArrayBufferView;
/** A model's file, or all of them where it has several, in any order. */
export type ModelFiles = ModelInput | readonly ModelInput[];

const isList = (files: ModelFiles): files is readonly ModelInput[] => Array.isArray(files);
export const filesOf = (files: ModelFiles): readonly ModelInput[] =>
  isList(files) ? files : [files];

export interface ModelSource {
  /** For messages: the path, the URL without its secrets, or what kind of input it was. */
  readonly name: string;
  /** Infinity where a server does not say. */
  readonly sizeBytes: number;
  /**
   * Up to `length` bytes from `offset`, fewer only at the end. They are the caller's until the next
   * read; for good where they were read into memory of its own.
   */
  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array>;
  /** Whether reads fill the memory they are given: a file's do, others have their bytes already. */
  readonly readsInto?: boolean;
  /** Promises that nothing before `offset` will be read again. */
  forget(offset: number): void;
  /** Lets go of connections, and what else there are few of, until the next read. */
  pause?(): Promise<void>;
  close(): Promise<void>;
  /**
   * Where a model may be in several files: what the headers of all say, checked; tensors are at the
   * places that read() knows. The beginning of the first can be read again if `keepsKeys`.
   */
  readHeaders?(keepsKeys: boolean): Promise<Headed>;
  /** What came of `cache`, where it was asked for; final once it is closed. */
  readonly cache?: CacheReport;
}

/** A source whose bytes can be read again, and whose end is another's business. */
export const keeping = (source: ModelSource): ModelSource => ({
  name: source.name,
  get sizeBytes() {
    return source.sizeBytes;
  },
  read: (offset, length) => source.read(offset, length),
  forget() {},
  close: async () => {},
});

/** What came of the option `cache`. */
export interface CacheReport {
  /** Bytes of the file that were here before it was loaded. */
  readonly cachedBytes: number;
  /** Whether all of it is here now. */
  readonly complete: boolean;
  /** Why it is not kept, or was not checked against the server. */
  readonly note?: string;
}

/**
 * Opens a model for reading. Throws OptionError for what is no input or leads nowhere, NetworkError
 * where a server cannot be reached or does not deliver, the signal's reason when aborted (reads
 * too).
 */
export async function openSource(
  input: ModelInput,
  options: DownloadOptions = {},
): Promise<ModelSource> {
  const bytes = bytesOf(input);
  if (bytes) return bytesSource(bytes);
  const tag = tagOf(input);
  if (tag === 'Blob' || tag === 'File') return interruptible(blobSource(input as Blob), options);
  if (typeof input !== 'string' && tag !== 'URL') throw new OptionError(noInput(input, tag));
  const place = locate(String(input).trim());
  if (place instanceof URL && place.protocol !== 'file:') {
    if (!options.cache || !/^https?:$/.test(place.protocol)) return openDownload(place, options);
    return (await import('./model-cache/open.ts')).openCached(place, options);
  }
  return interruptible(await openFile(place), options);
}

/** Not instanceof, which knows neither other windows' and contexts' classes nor those of tests. */
export const tagOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1);

function bytesOf(input: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(input))
    return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  return /^(Shared)?ArrayBuffer$/.test(tagOf(input))
    ? new Uint8Array(input as ArrayBuffer)
    : undefined;
}

function noInput(input: unknown, tag: string): string {
  const hints: Record<string, string> = {
    Promise: 'await it',
    Response: 'pass its URL, which is asked again where a connection breaks, or its blob()',
    Request: 'pass its URL, and what it sends as `headers`',
    ReadableStream: 'pass the URL behind it, or the blob() of a Response made of it',
    FileSystemFileHandle: 'pass what its getFile() gives',
    FileList: 'pass one of its files, or [...files] where a model has several',
  };
  const found = input === null ? 'null' : typeof input === 'object' ? tag : typeof input;
  const hint = hints[tag] === undefined ? '' : `: ${hints[tag]}`;
  return `a model is a path, URL, Blob, ArrayBuffer or Uint8Array; found ${found}${hint}`;
}

/** What a text leads to: a URL, or a path where there are paths. Throws OptionError. */
export function locate(text: string): string | URL {
  const [, scheme] = /^([a-z][a-z0-9+.-]+):/i.exec(text) ?? [];
  const known = scheme !== undefined && /^(https?|blob|data|file)$/i.test(scheme);
  if (scheme !== undefined && !known && text.includes('://'))
    throw new OptionError(
      `a URL begins with '${scheme}:', expected http:, https:, blob:, data: or file:` +
        (/^hf$/i.test(scheme)
          ? ' (https://huggingface.co/OWNER/MODEL/resolve/main/FILE.gguf)'
          : ''),
    );
  if (!known && runtime.baseUrl === undefined) return text;
  if (text === '') throw new OptionError("the model's URL is empty: name a .gguf file");
  if (/^([a-z]:)?\\/i.test(text)) return text; // a path of Windows
  try {
    return known ? new URL(text) : new URL(text, runtime.baseUrl);
  } catch {
    // the message of the platform shows all of it, passwords too
    const shown = text.replace(/^([a-z]+:\/\/)[^/]*@/i, '$1***@').replace(/[?#].*$/, '?***');
    throw new OptionError(
      known
        ? `'${shown.slice(0, 200)}' is not a valid URL: check how it is written`
        : `'${shown.slice(0, 200)}' is relative, and this place has no URL that it could be ` +
            `relative to (${scheme ?? 'a worker made of a blob'}): pass an absolute URL`,
    );
  }
}

/** What file systems say, and whose turn it is then. */
const fileFaults: Record<string, string> = {
  EISDIR: 'is a folder: name a .gguf file',
  ENOTDIR: 'leads through something that is no folder: check the path',
  ENAMETOOLONG: 'is longer than names may be: check the path',
  ELOOP: 'is a link in a circle: check the path',
  EACCES: 'may not be read: check its permissions',
  EPERM: 'may not be read: check its permissions',
  ESPIPE: 'is no regular file (a pipe or a device): write it to a file, or pass its bytes',
};
const deviceFaults = /^(EMFILE|ENFILE|EIO|ENOMEM|EBUSY|ESTALE|ENXIO|ETIMEDOUT|EAGAIN)$/;

async function openFile(place: string | URL): Promise<ModelSource> {
  const name = place instanceof URL ? pathOf(place) : place;
  const failed = (cause: unknown, doing: string): never => {
    if (cause instanceof RecollectError) throw cause;
    const { code = '', message } = cause as { code?: string; message: string };
    if (code === 'ENOENT') throw new OptionError(`no file at '${name}': check the path`, { cause });
    const shown = name.slice(0, 200);
    if (fileFaults[code]) throw new OptionError(`'${shown}' ${fileFaults[code]}`, { cause });
    if (deviceFaults.test(code))
      throw new DeviceError(`'${shown}' could not be ${doing} (${code}): try again`, { cause });
    throw new OptionError(`'${shown}' cannot be ${doing} (${code || message}): check the path`, {
      cause,
    });
  };
  const file = await runtime.openFile(place).catch((cause) => failed(cause, 'opened'));
  return {
    name,
    sizeBytes: file.sizeBytes,
    readsInto: true,
    read: (offset, length, into) =>
      file.read(offset, length, into).catch((cause) => failed(cause, 'read')),
    forget() {},
    close: file.close,
  };
}

function pathOf(url: URL): string {
  try {
    return decodeURIComponent(url.pathname);
  } catch {
    return url.pathname;
  }
}

function bytesSource(bytes: Uint8Array): ModelSource {
  const { byteLength, buffer } = bytes;
  const shared = tagOf(buffer) === 'SharedArrayBuffer';
  return {
    name: 'bytes',
    sizeBytes: byteLength,
    async read(offset, length) {
      if (bytes.byteLength < byteLength)
        throw new OptionError(
          `the model's ${byteLength} bytes were transferred or cut while it was loaded: keep them`,
        );
      const piece = bytes.subarray(offset, offset + length);
      // decoders take no shared memory, and others may write to it
      return shared ? piece.slice() : piece;
    },
    forget() {},
    close: async () => {},
  };
}

function blobSource(blob: Blob): ModelSource {
  const name = 'name' in blob && typeof blob.name === 'string' ? blob.name : 'blob';
  return {
    name,
    sizeBytes: blob.size,
    async read(offset, length) {
      try {
        return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
      } catch (cause) {
        throw new OptionError(
          `${name}: cannot be read at byte ${offset} (${(cause as Error).name}): the file was ` +
            'changed, moved or deleted since it was chosen. Choose it again',
          { cause },
        );
      }
    },
    forget() {},
    close: async () => {},
  };
}

/**
 * A source whose reads end at once when the signal aborts; those into the caller's memory once
 * nothing is written there any more.
 */
function interruptible(source: ModelSource, { signal }: DownloadOptions): ModelSource {
  if (!signal) return source;
  return {
    ...source,
    async read(offset, length, into) {
      if (into) {
        const bytes = await source.read(offset, length, into);
        signal.throwIfAborted();
        return bytes;
      }
      return new Promise((resolve, reject) => {
        const abort = () => reject(signal.reason);
        if (signal.aborted) return abort();
        signal.addEventListener('abort', abort);
        source
          .read(offset, length)
          .then(resolve, reject)
          .finally(() => signal.removeEventListener('abort', abort));
      });
    },
  };
}
