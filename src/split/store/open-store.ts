// The store that a name means.
import { OptionError } from '../../errors.ts';
import { folderSplitStore } from './folder-store.ts';
import type { SplitStore } from './store.ts';

/** What a name of a server begins with; anything else is a folder. */
const SERVER = /^rediss?:\/\//;
const SOME_PROTOCOL = /^[a-z][a-z0-9+.-]+:\/\//i;

/**
 * Opens a store. Throws OptionError for a name that means none, StoreError where it is not there,
 * UnsupportedError where its driver is not, or there are no files.
 */
export async function openSplitStore(name: string, leaseMs: number): Promise<SplitStore> {
  if (SERVER.test(name) && URL.canParse(name) && new URL(name).host !== '') {
    const { redisSplitStore } = await import('./redis-store.ts');
    return redisSplitStore(name, leaseMs);
  }
  if (SOME_PROTOCOL.test(name) || name === '' || name.includes('\0'))
    throw new OptionError(
      `store is '${name}', expected a folder, or redis://HOST:PORT (rediss: encrypted)`,
    );
  return folderSplitStore(name, leaseMs);
}
