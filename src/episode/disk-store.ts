// A store of episodes as files in a folder.
import { runtime } from '#runtime';
import type { BytesIn, BytesOut } from '../cache/stored.ts';
import { OptionError, StoreError, UnsupportedError } from '../errors.ts';
import type { Folders } from '../runtime/runtime.ts';
import type { EpisodeStore } from './store.ts';
import { fileName, newPrefix, sweep } from './store-files.ts';
import { StoreWork } from './store-work.ts';

/** Files of this process are made to look new so often. */
const TOUCH_MS = 3600_000;

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
  return new DiskStore(folders, folders.resolve(folder));
}

class DiskStore implements EpisodeStore {
  readonly kind = 'disk';
  readonly memoryBytes = 0;
  readonly #folders: Folders;
  readonly #folder: string;
  readonly #work = new StoreWork();
  /** Paths of what is stored, by key. */
  readonly #stored = new Map<string, string>();
  #prefix?: Promise<string>;
  #swept = false;
  #stopTouching?: () => void;

  constructor(folders: Folders, folder: string) {
    this.#folders = folders;
    this.#folder = folder;
  }

  get closed(): boolean {
    return this.#work.closed;
  }

  put(key: string, fill: (out: BytesOut) => Promise<void>): Promise<void> {
    return this.#work.run(async () => {
      const folders = this.#folders;
      const path = await this.#pathOf(key);
      const temporary = `${path}.tmp`;
      try {
        // which could not be removed when it should have been
        await folders.remove(temporary).catch(() => {});
        await this.#write(path, temporary, fill);
        await this.#storing(path, () => folders.rename(temporary, path));
        this.#stored.set(key, path);
        // files that look old are removed by other processes: these are in use
        this.#stopTouching ??= folders.repeat(TOUCH_MS, () => {
          for (const own of this.#stored.values()) folders.touch(own).catch(() => {});
        });
      } catch (error) {
        await folders.remove(temporary).catch(() => {});
        throw error;
      }
    });
  }

  get<T>(key: string, use: (from: BytesIn) => Promise<T>): Promise<T> {
    return this.#work.run(async () => {
      const path = await this.#pathOf(key);
      const failed = (cause: unknown) => Promise.reject(unreadable(path, cause));
      const file = await this.#folders.open(path).catch(failed);
      try {
        return await use({
          size: file.sizeBytes,
          read: async (at, into) => {
            this.#work.check();
            const count = await file.read(at, into).catch(failed);
            if (count < into.length)
              throw unreadable(path, new Error(`it ends at byte ${at + count}`));
          },
        });
      } finally {
        await file.close().catch(() => {});
      }
    });
  }

  async remove(key: string): Promise<void> {
    const path = this.#stored.get(key);
    if (path === undefined) return;
    await this.#folders.remove(path).catch(() => {});
    this.#stored.delete(key);
  }

  async clear(): Promise<void> {
    await this.#work.close();
    this.#stopTouching?.();
    for (const key of [...this.#stored.keys()]) await this.remove(key);
  }

  /** Writes a temporary file; the first that is written shows that the folder can be swept. */
  async #write(
    path: string,
    temporary: string,
    fill: (out: BytesOut) => Promise<void>,
  ): Promise<void> {
    const file = await this.#storing(path, () => this.#folders.create(temporary));
    try {
      if (!this.#swept) {
        this.#swept = true;
        await sweep(this.#folders, this.#folder, temporary);
      }
      await fill({
        reserve() {},
        write: (bytes) => this.#storing(path, () => file.write(bytes)),
      });
    } finally {
      await file.close().catch((cause) => Promise.reject(unwritable(path, cause)));
    }
  }

  /** A step of storing as `path`: StoreError where it fails, or the store was cleared. */
  async #storing<T>(path: string, step: () => Promise<T>): Promise<T> {
    this.#work.check();
    try {
      return await step();
    } catch (cause) {
      throw unwritable(path, cause);
    }
  }

  async #pathOf(key: string): Promise<string> {
    if (!/^[\w-]+$/.test(key)) throw new RangeError(`'${key}' is no key of an episode`);
    this.#prefix ??= newPrefix(this.#folders);
    return `${this.#folder}/${fileName(await this.#prefix, key)}`;
  }
}

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
