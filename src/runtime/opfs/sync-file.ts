// A file of OPFS by its sync handle: the only way that is fast, and that writes in place. Dedicated
// workers alone have it. It imports by relative paths only (worker.ts).
import { StoreError } from '../../errors.ts';
import type { OriginFile } from '../runtime.ts';

/** What of the handle is used; pages' libraries do not declare it. */
interface SyncHandle {
  read(into: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  getSize(): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}
interface Handle extends FileSystemFileHandle {
  createSyncAccessHandle(options: { mode: 'read-only' | 'readwrite' }): Promise<SyncHandle>;
}

/** Several may read a file at a time, where the browser knows read-only handles. */
export type FileUse = 'read' | 'rewrite' | 'go on';

export const FOLDER = 'recollect-models';

/** Where a site's models lie. Throws the platform's errors. */
export const openFolder = async (): Promise<FileSystemDirectoryHandle> =>
  (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER, { create: true });

export async function openSyncFile(name: string, use: FileUse): Promise<OriginFile> {
  const found = await (await openFolder()).getFileHandle(name, { create: use !== 'read' });
  const mode = use === 'read' ? 'read-only' : 'readwrite';
  const handle = await (found as Handle).createSyncAccessHandle({ mode });
  if (use === 'rewrite') handle.truncate(0);
  return {
    sizeBytes: handle.getSize(),
    async read(at, length) {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, handle.read(bytes, { at }));
    },
    async write(at, bytes) {
      const count = written(handle, bytes, at);
      // beyond the quota of a private window Chromium's gives a count near 2^32, and no error
      if (count !== bytes.length || handle.getSize() < at + bytes.length)
        throw new StoreError(
          'the browser has no more room for this site: delete models that it keeps ' +
            '(cachedModels(), deleteCachedModel()), or free disk space',
        );
    },
    flush: async () => handle.flush(),
    close: async () => handle.close(),
  };
}

/** Bytes that were written; -1 where the browser says that there is no room. */
function written(handle: SyncHandle, bytes: Uint8Array, at: number): number {
  try {
    return handle.write(bytes, { at });
  } catch (error) {
    if ((error as Error).name === 'QuotaExceededError') return -1;
    throw error;
  }
}
