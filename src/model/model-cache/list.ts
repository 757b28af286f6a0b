// The models that a browser keeps: which, how much of each, and how one is deleted.
import { runtime } from '#runtime';
import { OptionError, StoreError, UnsupportedError } from '../../errors.ts';
import type { OriginFiles } from '../../runtime/runtime.ts';
import { maskUrl } from '../download/mask.ts';
import { locate } from '../source.ts';
import { addressOf, isComplete, nameOf, readEntry } from './entry.ts';

/** A model, or some of one, that `cache: true` keeps. */
export interface CachedModel {
  /** What it was loaded from, without user, password and fragment. */
  readonly url: string;
  /** Bytes that are here, and bytes of the whole file. */
  readonly bytes: number;
  readonly totalBytes: number;
  readonly complete: boolean;
  readonly savedAt: Date;
}

/** Undefined where nothing is kept. */
async function openFiles(): Promise<OriginFiles | undefined> {
  try {
    return await runtime.originFiles?.();
  } catch (error) {
    if (error instanceof UnsupportedError) return undefined;
    throw error;
  }
}

export async function listModels(): Promise<CachedModel[]> {
  const files = await openFiles();
  if (!files) return [];
  const found: CachedModel[] = [];
  for (const name of await files.list()) {
    const entry = await readEntry(files, name);
    if (!entry) continue;
    const { url, bytes, totalBytes, savedAt } = entry;
    const complete = isComplete(entry);
    found.push({ url, bytes, totalBytes, complete, savedAt: new Date(savedAt) });
  }
  return found.sort((a, b) => b.savedAt.getTime() - a.savedAt.getTime());
}

export async function deleteModel(given: string | URL): Promise<boolean> {
  const url = locate(String(given).trim());
  if (!(url instanceof URL))
    throw new OptionError(`'${url.slice(0, 200)}' is a path: models are kept by their URL`);
  const files = await openFiles();
  if (!files) return false;
  const name = await nameOf(addressOf(url));
  const release = await files.lock(name, 'exclusive');
  if (!release)
    throw new StoreError(
      `${maskUrl(url)}: is being loaded, here or in another tab: delete it once that is done`,
    );
  try {
    return await files.remove(name);
  } finally {
    await release();
  }
}
