// Texts that commands read, and what they write: every failure names the path and what to do.
import {
  access,
  constants,
  open,
  readFile,
  realpath,
  rename,
  stat,
  unlink,
} from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { runtime } from '#runtime';
import { OptionError } from '../errors.ts';

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file: check the path',
  EISDIR: 'it is a folder: name a file',
  EACCES: 'you may not: check its permissions',
  EPERM: 'you may not: check its permissions',
  ENOTDIR: 'a part of the path is no folder: check it',
  EROFS: 'the file system is read-only: choose another place',
  ENOSPC: 'the disk is full: make room, or choose another place',
  ENAMETOOLONG: 'the name is too long',
};

function reasonOf(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  return reasons[code ?? ''] ?? message;
}

/**
 * A text file's content, without a byte order mark. Throws OptionError where it cannot be read or
 * is no text.
 */
export async function readText(path: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new OptionError(`'${path}' cannot be read: ${reasonOf(cause)}`, { cause });
  }
  const kind =
    bytes.length >= 4 && String.fromCharCode(...bytes.subarray(0, 4)) === 'GGUF'
      ? 'a model'
      : 'no text';
  if (kind === 'a model' || bytes.includes(0))
    throw new OptionError(`'${path}' is ${kind}: name a text file`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new OptionError(`'${path}' is no UTF-8 text: convert it (iconv -t UTF-8)`, { cause });
  }
}

/**
 * Throws OptionError where a file cannot be written later: found out before the work, not after it.
 */
export async function checkWritable(path: string): Promise<void> {
  try {
    const known = await stat(path).catch(() => undefined);
    if (known?.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
    if (known) return await access(path, constants.W_OK);
    // only trying tells: folders above it may have to be made
    const trial = `${path}.${process.pid}.try`;
    await runtime.writeFile(trial, new Uint8Array(0));
    await unlink(trial);
  } catch (cause) {
    throw cannotWrite(path, cause);
  }
}

/** Of a model in several files the first is named, and all are read. */
const NUMBER_OF_PART = /-\d{5}(?=-of-\d{5}\.gguf$)/i;

/**
 * Throws OptionError where a file to be written, by its flag, is one that is read, or is written
 * twice: what it holds would be lost.
 */
export async function checkApart(
  written: readonly (readonly [flag: string, path: string | undefined])[],
  read: readonly string[],
): Promise<void> {
  const taken = new Map<string, string>();
  for (const path of read) taken.set(await placeOf(path), 'is what is read');
  for (const [flag, path] of written) {
    if (path === undefined) continue;
    const place = await placeOf(path);
    const use = taken.get(place) ?? taken.get(place.replace(NUMBER_OF_PART, '-00001'));
    if (use !== undefined) throw new OptionError(`${flag} '${path}' ${use}: choose another name`);
    taken.set(place, `is written by ${flag} too`);
  }
}

export const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Where a path leads in the end, links followed. */
async function placeOf(path: string): Promise<string> {
  const known = await realpath(path).catch(() => undefined);
  if (known !== undefined) return known;
  const folder = await realpath(dirname(path)).catch(() => resolve(dirname(path)));
  return join(folder, basename(path));
}

/** Writes a file, the folders above it too. Throws OptionError where that cannot be. */
export async function writeText(path: string, text: string): Promise<void> {
  try {
    await runtime.writeFile(path, new TextEncoder().encode(text));
  } catch (cause) {
    throw cannotWrite(path, cause);
  }
}

/** A file that is there once it is whole. */
export interface Output {
  write(bytes: Uint8Array): Promise<void>;
  /** Gives it its name. */
  finish(): Promise<void>;
  /** Deletes what was written, where it was not finished. */
  abandon(): Promise<void>;
}

/** Begins a file under a temporary name. Throws OptionError where it cannot be written. */
export async function openOutput(path: string): Promise<Output> {
  await checkWritable(path);
  const temporary = `${path}.${process.pid}.tmp`;
  const tell = (cause: unknown): never => {
    throw cannotWrite(path, cause);
  };
  const file = await open(temporary, 'w').catch(tell);
  let isOpen = true;
  return {
    write: (bytes) => file.writeFile(bytes).catch(tell),
    async finish() {
      await file.sync().catch(tell);
      await file.close();
      await rename(temporary, path).catch(tell);
      isOpen = false;
    },
    async abandon() {
      if (!isOpen) return;
      await file.close().catch(() => {});
      await unlink(temporary).catch(() => {});
    },
  };
}

/** Adds to a file, which begins here where there is none. */
export async function appendText(path: string, text: string): Promise<void> {
  try {
    const file = await open(path, 'a');
    try {
      await file.writeFile(text);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw cannotWrite(path, cause);
  }
}

function cannotWrite(path: string, cause: unknown): OptionError {
  const { code } = cause as NodeJS.ErrnoException;
  // what is missing of a file that is to be made is a folder that cannot be
  const why =
    code === 'ENOENT' ? 'its folder cannot be made: choose another place' : reasonOf(cause);
  return new OptionError(`'${path}' cannot be written: ${why}`, { cause });
}
