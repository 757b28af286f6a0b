// The names of the files that stores keep in a folder which many processes may share, and the end
// of those that a process left behind.
import { hashText } from '../math/rng.ts';
import type { Folders } from '../runtime/runtime.ts';

/**
 * Files of processes that cannot be asked (other machines') are taken for left behind when they are
 * so old.
 */
const LEFT_BEHIND_MS = 7 * 24 * 3600_000;
/** place - process - start - session . key . rcs */
const FILE_NAME = /^recollect-([0-9a-z]+)-(\d+)-(\d+)-[0-9a-z]+\.[\w-]+\.rcs(\.tmp)?$/;

const random = () =>
  crypto
    .getRandomValues(new Uint32Array(2))
    .reduce((text, n) => text + n.toString(36).padStart(7, '0'), '');

/**
 * How the names of one store's files begin, new each time. Those of a place that is not known are
 * only told by their age.
 */
export async function newPrefix(folders: Folders): Promise<string> {
  const session = random();
  const { place = random(), pid, start } = await folders.process();
  return `recollect-${placeName(place)}-${pid}-${start}-${session}`;
}

/** The name of the file for a key. */
export const fileName = (prefix: string, key: string): string => `${prefix}.${key}.rcs`;

const placeName = (place: string) =>
  [0, 1].map((i) => hashText(`${i}${place}`).toString(36)).join('');

/**
 * Removes what processes that have ended left in a folder. `newest` was made just now: it tells the
 * folder's time.
 */
export async function sweep(folders: Folders, folder: string, newest: string): Promise<void> {
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
