// Halves of trainings as files in a folder, which servers may share. A file is a version of one:
//
//   recollect-ID.VERSION     the highest is what counts; written as .part, then linked to its name
//
// A link to a name that is there fails, whoever made it: so a version is written once.
import { runtime } from '#runtime';
import { StoreError, UnsupportedError } from '../../errors.ts';
import type { Folders } from '../../runtime/runtime.ts';
import { type SplitStore, tooLarge } from './store.ts';

const NAME = /^recollect-([0-9a-f-]{36})\.(\d+)$/;
const PART = /^recollect-[0-9a-f-]{36}\.[0-9a-f-]{36}\.part$/;
/** Versions that vanish while they are looked at, so often, before it is given up. */
const MOST_TRIES = 100;

/** Throws UnsupportedError where there are no files, StoreError for no folder to write in. */
export async function folderSplitStore(folder: string, leaseMs: number): Promise<SplitStore> {
  const { folders } = runtime;
  if (!folders)
    throw new UnsupportedError(`there are no files here to store trainings in: leave store out`);
  const store = new FolderStore(folders, folders.resolve(folder), leaseMs);
  await store.sweep();
  return store;
}

class FolderStore implements SplitStore {
  readonly #folders: Folders;
  readonly #folder: string;
  readonly #leaseMs: number;
  readonly #stop: () => void;

  constructor(folders: Folders, folder: string, leaseMs: number) {
    this.#folders = folders;
    this.#folder = folder;
    this.#leaseMs = leaseMs;
    this.#stop = folders.repeat(leaseMs, () => void this.sweep().catch(() => {}));
  }

  claim(id: string): Promise<number | undefined> {
    return this.#trying('taken over', async () => {
      // a folder that changes while it is listed may show neither the old name nor the new one
      const version = (await this.#versionOf(id)) || (await this.#versionOf(id));
      if (version === 0) return undefined;
      return (await this.#link(id, this.#path(id, version), version)) ? version + 1 : AGAIN;
    });
  }

  get(id: string, mostBytes: number) {
    return this.#trying('read', async () => {
      const version = await this.#versionOf(id);
      if (version === 0) return undefined;
      const file = await this.#folders.open(this.#path(id, version));
      try {
        if (file.sizeBytes > mostBytes) throw tooLarge(id, file.sizeBytes, mostBytes);
        const bytes = new Uint8Array(file.sizeBytes);
        await file.read(0, bytes);
        return bytes;
      } finally {
        await file.close();
      }
    });
  }

  put(id: string, version: number, bytes: Uint8Array): Promise<boolean> {
    return this.#trying('stored', async () => {
      if ((await this.#versionOf(id)) !== version) return false;
      const part = `${this.#folder}/recollect-${id}.${crypto.randomUUID()}.part`;
      try {
        const file = await this.#folders.create(part);
        try {
          await file.write(bytes);
        } finally {
          await file.close();
        }
        return await this.#link(id, part, version);
      } finally {
        await this.#folders.remove(part);
      }
    });
  }

  renew(id: string, version: number): Promise<boolean> {
    return this.#trying('renewed', async () => {
      if (version === 0 || (await this.#versionOf(id)) !== version) return false;
      await this.#folders.touch(this.#path(id, version));
      return true;
    });
  }

  remove(id: string, version: number): Promise<void> {
    return this.#trying('removed', async () => {
      if ((await this.#versionOf(id)) === version)
        await this.#folders.remove(this.#path(id, version));
    });
  }

  async close(): Promise<void> {
    this.#stop();
  }

  #path = (id: string, version: number) => `${this.#folder}/recollect-${id}.${version}`;

  async #versions(id: string): Promise<number[]> {
    const names = (await this.#folders.list(this.#folder)).map((name) => NAME.exec(name));
    return names.filter((found) => found?.[1] === id).map((found) => Number(found![2]));
  }

  async #versionOf(id: string): Promise<number> {
    return Math.max(0, ...(await this.#versions(id)));
  }

  /** Makes a file the version behind one. False: another one did, or went on from there. */
  async #link(id: string, from: string, version: number): Promise<boolean> {
    const to = this.#path(id, version + 1);
    try {
      await this.#folders.link(from, to);
    } catch (error) {
      if ((error as { code?: string }).code === 'EEXIST') return false;
      throw error;
    }
    // a version that others have left behind is free again, and means nothing
    const all = await this.#versions(id);
    const isLast = all.every((other) => other <= version + 1);
    if (!isLast) await this.#folders.remove(to);
    else {
      await this.#folders.touch(to);
      for (const other of all)
        if (other <= version) await this.#folders.remove(this.#path(id, other));
    }
    return isLast;
  }

  /** Removes what nobody renewed. */
  async sweep(): Promise<void> {
    await this.#trying('swept', async () => {
      const probe = `${this.#folder}/recollect-${crypto.randomUUID()}.${crypto.randomUUID()}.part`;
      await (await this.#folders.create(probe)).close();
      try {
        // by the folder's own clock
        const now = await this.#folders.changedMs(probe);
        for (const name of await this.#folders.list(this.#folder)) {
          if (!NAME.test(name) && !PART.test(name)) continue;
          const path = `${this.#folder}/${name}`;
          const changed = await this.#folders.changedMs(path).catch(() => now);
          if (now - changed > this.#leaseMs) await this.#folders.remove(path);
        }
      } finally {
        await this.#folders.remove(probe);
      }
    });
  }

  /** Does something again while files that it found are not there any more. */
  async #trying<T>(what: string, work: () => Promise<T | typeof AGAIN>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        const done = await work();
        if (done !== AGAIN) return done;
        if (tries >= MOST_TRIES) throw new Error('others have it again and again');
      } catch (cause) {
        if (cause instanceof StoreError) throw cause;
        if ((cause as { code?: string }).code === 'ENOENT' && tries < MOST_TRIES) continue;
        throw new StoreError(
          `a training in '${this.#folder}' cannot be ${what} (${(cause as Error).message}): ` +
            `choose a folder that can be written, on a disk that has hard links`,
          { cause },
        );
      }
    }
  }
}

const AGAIN = Symbol('again');
