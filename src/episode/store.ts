// Where the caches of episodes wait that are not resident: in memory, or as files.
import { runtime } from '#runtime';
import { StoreError } from '../errors.ts';

export interface EpisodeStore {
  readonly kind: 'memory' | 'disk';
  /** Bytes held in memory. */
  readonly memoryBytes: number;
  put(key: string, bytes: Uint8Array): Promise<void>;
  get(key: string): Promise<Uint8Array>;
  /** Forgets everything. */
  clear(): Promise<void>;
}

export function memoryStore(): EpisodeStore {
  const held = new Map<string, Uint8Array>();
  return {
    kind: 'memory',
    get memoryBytes() {
      let sum = 0;
      for (const bytes of held.values()) sum += bytes.length;
      return sum;
    },
    async put(key, bytes) {
      held.set(key, bytes);
    },
    async get(key) {
      const bytes = held.get(key);
      if (!bytes) throw new StoreError(`no stored episode '${key}'`);
      return bytes;
    },
    async clear() {
      held.clear();
    },
  };
}

let sessions = 0;

/** Files in a folder, named after the session so that several may share it. Throws StoreError where they cannot be written or read. */
export function diskStore(folder: string): EpisodeStore {
  const prefix = `${folder}/${Date.now().toString(36)}-${Math.floor(Math.random() * 2 ** 32).toString(36)}-${sessions++}`;
  const pathOf = (key: string) => `${prefix}.${key}.rcs`;
  const written = new Set<string>();
  return {
    kind: 'disk',
    memoryBytes: 0,
    async put(key, bytes) {
      try {
        await runtime.writeFile(pathOf(key), bytes);
        written.add(key);
      } catch (cause) {
        throw new StoreError(
          `the episode cannot be stored as '${pathOf(key)}' (${(cause as Error).message}): choose a folder that can be written, or leave 'store' out to keep episodes in memory`,
          { cause },
        );
      }
    },
    async get(key) {
      try {
        const file = await runtime.openFile(pathOf(key));
        try {
          return (await file.read(0, file.sizeBytes)).slice();
        } finally {
          await file.close();
        }
      } catch (cause) {
        throw new StoreError(`the episode stored as '${pathOf(key)}' cannot be read (${(cause as Error).message}): add to the conversation again`, { cause });
      }
    },
    async clear() {
      for (const key of [...written]) {
        await runtime.removeFile(pathOf(key)).catch(() => {});
        written.delete(key);
      }
    },
  };
}
