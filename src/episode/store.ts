// Where the caches of episodes wait that are not resident: in memory, or as files. What comes back is what was put, or an error: each store remembers a
// hash of what it holds, so that a file that was damaged, swapped with another or put back from before is noticed.
import { runtime } from '#runtime';
import { StoreError } from '../errors.ts';

export interface EpisodeStore {
  readonly kind: 'memory' | 'disk';
  /** Bytes held in memory. */
  readonly memoryBytes: number;
  /** Rejects with StoreError where it cannot be written, and once the store is closed. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** Rejects with StoreError for what is not there, or not what was put. */
  get(key: string): Promise<Uint8Array>;
  /** Forgets everything. */
  clear(): Promise<void>;
  /** Forgets everything, what is being put too, and takes nothing more. */
  close(): Promise<void>;
}

export function memoryStore(): EpisodeStore {
  const held = new Map<string, Uint8Array>();
  let closed = false;
  return {
    kind: 'memory',
    get memoryBytes() {
      let sum = 0;
      for (const bytes of held.values()) sum += bytes.length;
      return sum;
    },
    async put(key, bytes) {
      if (closed) throw closedError();
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
    async close() {
      closed = true;
      held.clear();
    },
  };
}

const closedError = () => new StoreError('the store of episodes was closed with its conversation: open another one');

let sessions = 0;

/**
 * Files in a folder, named after the process and the session so that several may share it. The first that is written clears what processes that are no
 * more have left there. Rejects with StoreError where files cannot be written or read.
 */
export function diskStore(folder: string): EpisodeStore {
  const session = `${Math.floor(Math.random() * 2 ** 32).toString(36)}-${sessions++}`;
  const pathOf = (key: string) => `${folder}/recollect-${runtime.owner}-${session}.${key}.rcs`;
  const written = new Map<string, number>(); // with a hash of what was
  const underWay = new Set<Promise<unknown>>();
  let closed = false;
  let swept = false;
  const clear = async () => {
    await Promise.allSettled(underWay);
    for (const key of [...written.keys()]) {
      written.delete(key);
      await runtime.removeFile(pathOf(key)).catch(() => {});
    }
  };
  const write = async (key: string, bytes: Uint8Array) => {
    if (!swept) {
      swept = true;
      await sweep(folder).catch(() => {}); // what cannot be listed or removed is in nobody's way
    }
    written.set(key, Number.NaN); // there may be something of it from now on
    const hash = hashOf(bytes);
    await runtime.writeFile(pathOf(key), bytes);
    written.set(key, hash);
  };
  return {
    kind: 'disk',
    memoryBytes: 0,
    async put(key, bytes) {
      if (closed) throw closedError();
      const writing = write(key, bytes);
      underWay.add(writing);
      try {
        await writing;
      } catch (cause) {
        throw new StoreError(
          `the episode cannot be stored as '${pathOf(key)}' (${(cause as Error).message}): choose a folder that can be written, or leave 'store' out to keep episodes in memory`,
          { cause },
        );
      } finally {
        underWay.delete(writing);
      }
    },
    async get(key) {
      let bytes: Uint8Array;
      try {
        const file = await runtime.openFile(pathOf(key));
        try {
          bytes = (await file.read(0, file.sizeBytes)).slice();
        } finally {
          await file.close();
        }
      } catch (cause) {
        throw new StoreError(`the episode stored as '${pathOf(key)}' cannot be read (${(cause as Error).message})`, { cause });
      }
      if (hashOf(bytes) !== written.get(key)) throw new StoreError(`the episode stored as '${pathOf(key)}' is not what was stored: its file was changed`);
      return bytes;
    },
    clear,
    async close() {
      closed = true;
      await clear();
    },
  };
}

/** Removes files, half-written ones too, of processes that are no more. */
async function sweep(folder: string): Promise<void> {
  for (const name of await runtime.listFiles(folder)) {
    const owner = /^recollect-([a-z0-9_]+)-[a-z0-9]+-\d+\.[^/]*\.(?:rcs|tmp)$/.exec(name)?.[1];
    if (owner !== undefined && runtime.isGone(owner)) await runtime.removeFile(`${folder}/${name}`).catch(() => {});
  }
}

/** A hash of bytes, 53 bits of it: two lanes of multiplying and mixing (as FNV does it), words first. */
function hashOf(bytes: Uint8Array): number {
  let [a, b] = [0x811c9dc5 ^ bytes.length, 0x9e3779b9];
  const whole = bytes.length & ~3;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let i = 0; i < whole; i += 4) {
    const word = view.getUint32(i, true);
    a = Math.imul(a ^ word, 0x01000193);
    b = Math.imul(b ^ word ^ (a >>> 15), 0x85ebca6b);
  }
  for (let i = whole; i < bytes.length; i++) a = Math.imul(a ^ bytes[i], 0x01000193);
  return (a >>> 0) + ((b ^ (a >>> 13)) & 0x1fffff) * 2 ** 32 + 0;
}
