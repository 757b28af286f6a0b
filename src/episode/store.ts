// Where the states of episodes wait that are not resident: in memory (memory-store.ts), or as files
// (disk-store.ts). A state is written and read in parts, so nothing here holds one twice. What is
// stored under a key is whole or not there.
import type { BytesIn, BytesOut } from '../cache/stored.ts';

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
