// Where the states of episodes wait that are not resident: in memory, or as files. A state is
// written and read in parts, so nothing here holds one twice. What is stored under a key is whole
// or not there.
import { runtime } from '#runtime';
import type { BytesIn, BytesOut } from '../cache/stored.ts';
import { OptionError, StoreError, UnsupportedError } from '../errors.ts';
import { hashText } from '../math/rng.ts';
import type { Folders } from '../runtime/runtime.ts';

export interface EpisodeStore {
  readonly kind: 'memory' | 'disk';
  /** Bytes held in memory. */
  readonly memoryBytes: number;
  /** Whether it was cleared. */
  readonly closed: boolean;
  /**
   * Stores what `fill` writes under a key, in place of what was there. Rejects as `fill` does, or
   * with StoreError where it cannot be stored; on disk, what was there before is there still then.
   */
  put(key: string, fill: (out: BytesOut) => Promise<void>): Promise<void>;
  /**
   * Lends what is stored under a key, which may not be put meanwhile. Rejects as `use` does, or
   * with StoreError.
   */
  get<T>(key: string, use: (from: BytesIn) => Promise<T>): Promise<T>;
  /** Forgets what is stored under a key. */
  remove(key: string): Promise<void>;
  /**
   * Forgets everything, for good: what is being stored or read ends with a StoreError, and is
   * waited for; nothing is stored any more. May be called again.
   */
  clear(): Promise<void>;
}

const closedError = () =>
  new StoreError('the conversation was disposed of, and its stored episodes with it');

/** What is under way in a store, and its end. */
class Work {
  readonly #under = new Set<Promise<unknown>>();
  closed = false;

  /** Throws where the store was cleared. */
  check(): void {
    if (this.closed) throw closedError();
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    this.check();
    const promise = work();
    this.#under.add(promise);
    try {
      return await promise;
    } finally {
      this.#under.delete(promise);
    }
  }

  /** Nothing begins any more; waits for what has. */
  async close(): Promise<void> {
    this.closed = true;
    while (this.#under.size > 0) await Promise.allSettled([...this.#under]);
  }
}

export function memoryStore(): EpisodeStore {
  /** Memory of each key, kept for its next state: states are of about the same size. */
  const held = new Map<string, { bytes: Uint8Array; size: number }>();
  const work = new Work();
  return {
    kind: 'memory',
    get memoryBytes() {
      let sum = 0;
      for (const { bytes } of held.values()) sum += bytes.length;
      return sum;
    },
    get closed() {
      return work.closed;
    },
    put: (key, fill) =>
      work.run(async () => {
        let own = held.get(key);
        // what is half written is nothing
        if (own) own.size = 0;
        let at = 0;
        await fill({
          reserve(size) {
            if (own && own.bytes.length >= size) return;
            own = undefined;
            held.delete(key); // before the other is made: they never lie side by side
            own = { bytes: new Uint8Array(size), size: 0 };
            held.set(key, own);
          },
          async write(bytes) {
            work.check();
            own!.bytes.set(bytes, at);
            at += bytes.length;
          },
        });
        if (own) own.size = at;
      }),
    get: (key, use) =>
      work.run(async () => {
        const own = held.get(key);
        if (!own || own.size === 0) throw new StoreError(`no stored episode '${key}'`);
        return use({
          size: own.size,
          async read(at, into) {
            work.check();
            if (at + into.length > own.size) throw new StoreError(`${own.size} bytes are stored`);
            into.set(own.bytes.subarray(at, at + into.length));
          },
        });
      }),
    async remove(key) {
      held.delete(key);
    },
    async clear() {
      await work.close();
      held.clear();
    },
  };
}

/**
 * Files of processes that cannot be asked (other machines') are taken for left behind when they are
 * so old.
 */
const LEFT_BEHIND_MS = 7 * 24 * 3600_000;
/** Files of this process are made to look new so often. */
const TOUCH_MS = 3600_000;
const EXTENSION = 'rcs';
/** place - process - start - session . key . rcs */
const FILE_NAME = /^recollect-([0-9a-z]+)-(\d+)-(\d+)-[0-9a-z]+\.[\w-]+\.rcs(\.tmp)?$/;

const random = () =>
  crypto
    .getRandomValues(new Uint32Array(2))
    .reduce((text, n) => text + n.toString(36).padStart(7, '0'), '');

/**
 * Files in a folder, private to this process and session, so that many may share it. Those that
 * processes which have ended left there are removed when the first is stored. Throws OptionError
 * for what is no folder's name, UnsupportedError where there are no files.
 */
export function diskStore(folder: string): EpisodeStore {
  if (typeof folder !== 'string' || folder === '' || folder.includes('\0'))
    throw new OptionError(
      `store is ${JSON.stringify(folder)}, expected the name of a folder, such as './episodes'`,
    );
  const { folders } = runtime;
  if (!folders)
    throw new UnsupportedError(
      `episodes cannot be stored in '${folder}': there are no files here, leave 'store' out to ` +
        `keep them in memory`,
    );
  const within = folders.resolve(folder);
  const session = random();
  let prefix: Promise<string> | undefined;
  const prefixOf = () =>
    (prefix ??= namePrefix(folders).then((name) => `${within}/${name}-${session}`));
  const pathOf = async (key: string) => {
    if (!/^[\w-]+$/.test(key)) throw new RangeError(`'${key}' is no key of an episode`);
    return `${await prefixOf()}.${key}.${EXTENSION}`;
  };
  const written = new Map<string, string>(); // paths by key
  const work = new Work();
  let swept = false;
  let untouch: (() => void) | undefined;
  const unwritable = (path: string, cause: unknown) =>
    new StoreError(
      `the episode cannot be stored as '${path}' (${(cause as Error).message}): choose a folder ` +
        `that can be written, ` +
        `or leave 'store' out to keep episodes in memory`,
      { cause },
    );
  const unreadable = (path: string, cause: unknown) =>
    new StoreError(`the episode stored as '${path}' cannot be read (${(cause as Error).message})`, {
      cause,
    });
  return {
    kind: 'disk',
    memoryBytes: 0,
    get closed() {
      return work.closed;
    },
    put: (key, fill) =>
      work.run(async () => {
        const path = await pathOf(key);
        const temporary = `${path}.tmp`;
        const store = async <T>(step: () => Promise<T>): Promise<T> => {
          work.check();
          try {
            return await step();
          } catch (cause) {
            throw unwritable(path, cause);
          }
        };
        try {
          // which could not be removed when it should have been
          await folders.remove(temporary).catch(() => {});
          const file = await store(() => folders.create(temporary));
          try {
            if (!swept) {
              swept = true;
              await sweep(folders, within, temporary);
            }
            await fill({ reserve() {}, write: (bytes) => store(() => file.write(bytes)) });
          } finally {
            await file.close().catch((cause) => Promise.reject(unwritable(path, cause)));
          }
          await store(() => folders.rename(temporary, path));
          written.set(key, path);
          // a dead one would have been removed by others; this one lives
          untouch ??= folders.repeat(TOUCH_MS, () => {
            for (const own of written.values()) folders.touch(own).catch(() => {});
          });
        } catch (error) {
          await folders.remove(temporary).catch(() => {});
          throw error;
        }
      }),
    get: (key, use) =>
      work.run(async () => {
        const path = await pathOf(key);
        const file = await folders
          .open(path)
          .catch((cause) => Promise.reject(unreadable(path, cause)));
        try {
          return await use({
            size: file.sizeBytes,
            async read(at, into) {
              work.check();
              const count = await file
                .read(at, into)
                .catch((cause) => Promise.reject(unreadable(path, cause)));
              if (count < into.length)
                throw unreadable(path, new Error(`it ends at byte ${at + count}`));
            },
          });
        } finally {
          await file.close().catch(() => {});
        }
      }),
    async remove(key) {
      const path = written.get(key);
      if (path === undefined) return;
      await folders.remove(path).catch(() => {});
      written.delete(key);
    },
    async clear() {
      await work.close();
      untouch?.();
      for (const key of [...written.keys()]) await this.remove(key);
    },
  };
}

/**
 * How names of files of this process begin. Those of a place that is not known are only told by
 * their age.
 */
async function namePrefix(folders: Folders): Promise<string> {
  const { place = random(), pid, start } = await folders.process();
  return `recollect-${placeName(place)}-${pid}-${start}`;
}

const placeName = (place: string) =>
  [0, 1].map((i) => hashText(`${i}${place}`).toString(36)).join('');

/**
 * Removes what processes that have ended left in a folder. `newest` was made just now: it tells the
 * folder's time.
 */
async function sweep(folders: Folders, folder: string, newest: string): Promise<void> {
  const attempt = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch {
      return undefined; // what cannot be removed now may be by another one
    }
  };
  const own = await folders.process();
  const now = await attempt(() => folders.changedMs(newest));
  const alive = new Map<string, Promise<boolean>>();
  for (const name of (await attempt(() => folders.list(folder))) ?? []) {
    const [, place, pid, start] = FILE_NAME.exec(name) ?? [];
    if (place === undefined) continue;
    const path = `${folder}/${name}`;
    await attempt(async () => {
      const here = own.place !== undefined && place === placeName(own.place);
      const who = `${pid} ${start}`;
      if (here && !alive.has(who)) alive.set(who, folders.runs({ pid: Number(pid), start }));
      const ended = here && !(await alive.get(who));
      // where the start is not known, another process may have the number by now
      const asked = here && start !== '0';
      const old =
        !asked && now !== undefined && now - (await folders.changedMs(path)) > LEFT_BEHIND_MS;
      if (ended || old) await folders.remove(path);
    });
  }
}
