// Folders where files of many processes lie together: Node, and what is compatible with it. Which
// processes still run is told by /proc where there is one, else by their number.
import { hostname, networkInterfaces } from 'node:os';
import {
  link,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  utimes,
} from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { setInterval as every } from 'node:timers';
import type { Folders, ProcessName } from './runtime.ts';

/** Files that only their owner reads: they hold what was said. */
const PRIVATE = 0o600;

export function createFolders(makeFolder: (path: string) => Promise<void>): Folders {
  let own: Promise<ProcessName> | undefined;
  return {
    resolve: (path) => resolve(path),
    async create(path) {
      await makeFolder(dirname(path));
      // never through a link that another one has put there
      const handle = await open(path, 'wx', PRIVATE);
      return {
        async write(bytes) {
          for (let at = 0; at < bytes.length;)
            at += (await handle.write(bytes, at, bytes.length - at)).bytesWritten;
        },
        close: () => handle.close(),
      };
    },
    async open(path) {
      const handle = await open(path, 'r');
      return {
        sizeBytes: await handle.stat().then(
          ({ size }) => size,
          async (error) => {
            await handle.close();
            throw error;
          },
        ),
        async read(at, into) {
          let filled = 0;
          while (filled < into.length) {
            const { bytesRead } = await handle.read(
              into,
              filled,
              into.length - filled,
              at + filled,
            );
            if (bytesRead === 0) break;
            filled += bytesRead;
          }
          return filled;
        },
        close: () => handle.close(),
      };
    },
    rename: (from, to) => rename(from, to),
    link: (from, to) => link(from, to),
    remove: (path) => rm(path, { force: true }),
    list: (folder) => readdir(folder),
    changedMs: async (path) => (await stat(path)).mtimeMs,
    touch: (path) => utimes(path, new Date(), new Date()),
    process: () => (own ??= nameOf()),
    runs,
    repeat(ms, work) {
      const timer = every(work, ms);
      timer.unref();
      return () => clearInterval(timer);
    },
  };
}

/** State and start of a process, as Linux tells them. */
async function statOf(pid: number | 'self'): Promise<{ state: string; start: string }> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  // the name, in brackets, may hold anything
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0], start: fields[19] };
}

/**
 * This process: among those of the same place no other one, running or ended, has the same number
 * and start.
 */
async function nameOf(): Promise<ProcessName> {
  const { pid } = process;
  try {
    if ((await readlink('/proc/self')) !== String(pid))
      throw new Error('these are not the processes of this place');
    const [boot, space] = await Promise.all([
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
      readlink('/proc/self/ns/pid'),
    ]);
    return { place: `${boot} ${space}`, pid, start: (await statOf('self')).start };
  } catch {
    // no such files: the machine's name, and its network's, which no other one has
  }
  try {
    const cards = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    const addresses = [
      ...new Set(cards.filter((card) => !card.internal).map((card) => card.mac)),
    ].sort();
    if (addresses.length > 0)
      return { place: `${hostname()} ${addresses.join()}`, pid, start: '0' };
  } catch {
    // not allowed
  }
  return { pid, start: '0' };
}

/** Whether a process of this place may still run. */
async function runs({ pid, start }: Pick<ProcessName, 'pid' | 'start'>): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  if (start === '0') return true;
  try {
    const found = await statOf(pid);
    // another one has its number; or it has ended, and nobody has asked how
    return found.start === start && found.state !== 'Z' && found.state !== 'X';
  } catch (error) {
    // it ended just now, or is hidden from us
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
