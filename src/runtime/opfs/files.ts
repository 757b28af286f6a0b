// Files that a browser keeps for a site: the origin private file system, and locks by which its
// pages and workers leave each other's files alone.
import { StoreError, UnsupportedError } from '../../errors.ts';
import type { OriginFile, OriginFiles } from '../runtime.ts';
import { type FileUse, openFolder, openSyncFile } from './sync-file.ts';
import { openWorkerFile } from './worker-file.ts';

/** Pages have the async half of the handles alone. */
const hasSyncHandles = (): boolean =>
  'createSyncAccessHandle' in globalThis.FileSystemFileHandle.prototype;
const open = (name: string, use: FileUse): Promise<OriginFile> =>
  hasSyncHandles() ? openSyncFile(name, use) : openWorkerFile(name, use);

export async function openOriginFiles(): Promise<OriginFiles> {
  const { storage, locks } = globalThis.navigator ?? {};
  if (storage?.getDirectory === undefined || locks === undefined)
    throw new UnsupportedError(
      'this place has no files of its own (OPFS): the page must come over https or from localhost',
    );
  let folder: FileSystemDirectoryHandle;
  try {
    folder = await openFolder();
  } catch (cause) {
    throw new UnsupportedError(
      `the browser gives this page no files of its own (${wordsOf(cause)}): private windows of ` +
        'some browsers have none, nor have pages whose data are blocked',
      { cause },
    );
  }
  return {
    list: () =>
      stored('listed', async () => {
        const names: string[] = [];
        for await (const name of folder.keys()) names.push(name);
        return names;
      }),
    peek: (name, length) =>
      stored('read', async () => {
        const file = await fileIn(folder, name);
        if (!file) return undefined;
        const bytes = new Uint8Array(await file.slice(0, length).arrayBuffer());
        return { bytes, sizeBytes: file.size };
      }),
    // where a handle cannot be had, a snapshot of the file is slower and does as well
    openToRead: async (name) =>
      guarded(await open(name, 'read').catch(() => stored('opened', () => slices(folder, name)))),
    openToWrite: async (name, keep) =>
      guarded(await stored('opened', () => open(name, keep ? 'go on' : 'rewrite'))),
    remove: (name) =>
      stored('deleted', () => folder.removeEntry(name).then(() => true, absent(false))),
    lock: (name, mode) => stored('locked', () => hold(`recollect: ${name}`, mode)),
    async roomBytes() {
      const { quota, usage = 0 } = await storage.estimate().catch((): StorageEstimate => ({}));
      // usage can be gigabytes too small, or near 2^32, once a page was closed while it wrote
      return quota === undefined ? undefined : usage <= quota ? quota - usage : quota;
    },
  };
}

const wordsOf = (error: unknown): string => {
  const { name, message } = error as Error;
  return `${name}: ${message}`;
};

/** The platform's errors as one of ours. */
async function stored<T>(done: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof StoreError) throw cause;
    throw new StoreError(`a file of the browser's could not be ${done} (${wordsOf(cause)})`, {
      cause,
    });
  }
}

/** The same of a file's calls. */
function guarded<T extends Pick<OriginFile, 'sizeBytes' | 'read' | 'close'>>(file: T): T {
  const all: Partial<OriginFile> = file;
  return {
    ...file,
    read: (at: number, length: number) => stored('read', () => file.read(at, length)),
    write: (at: number, bytes: Uint8Array<ArrayBuffer>) =>
      stored('written', async () => all.write?.(at, bytes)),
    flush: () => stored('written', async () => all.flush?.()),
  };
}

const absent =
  <T>(value: T) =>
  (error: Error): T => {
    if (error.name === 'NotFoundError') return value;
    throw error;
  };

const fileIn = async (folder: FileSystemDirectoryHandle, name: string): Promise<File | undefined> =>
  (await folder.getFileHandle(name).catch(absent(undefined)))?.getFile();

async function slices(folder: FileSystemDirectoryHandle, name: string) {
  const file = await (await folder.getFileHandle(name)).getFile();
  return {
    sizeBytes: file.size,
    read: async (at: number, length: number) =>
      new Uint8Array(await file.slice(at, at + length).arrayBuffer()),
    close: async () => {},
  };
}

/** A lock that is held until it is told not to be; undefined where another one has it. */
function hold(name: string, mode: LockMode): Promise<(() => Promise<void>) | undefined> {
  return new Promise((resolve, reject) => {
    const held = navigator.locks.request(name, { mode, ifAvailable: true }, (lock) => {
      if (!lock) return resolve(undefined);
      return new Promise<void>((letGo) =>
        resolve(async () => {
          letGo();
          await held;
        }),
      );
    });
    held.catch(reject);
  });
}
