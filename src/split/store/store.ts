// Where servers keep their halves of trainings: each one's bytes, and a version that tells whose
// they are. Whoever takes a training over counts its version up, so that what another one writes
// after that, however late, finds no version to take the place of. A store knows nothing of what
// the bytes mean.
import { StoreError } from '../../errors.ts';
import { formatBytes } from '../../math/format.ts';

export type Bytes = Uint8Array<ArrayBuffer>;

/**
 * All of it throws StoreError where the store says no, NetworkError where it cannot be asked. What
 * nobody renews for as long as the store's lease is not there any more.
 */
export interface SplitStore {
  /** The training is the caller's from here on: its version; undefined where there is none. */
  claim(id: string): Promise<number | undefined>;
  /** Its bytes, a buffer of their own. Throws StoreError for more than `mostBytes`, unread. */
  get(id: string, mostBytes: number): Promise<Bytes | undefined>;
  /**
   * Puts bytes in the place of those of a version, 0 where there are none yet: they are of the next
   * version then, whole. False: another one has the training, and nothing was written.
   */
  put(id: string, version: number, bytes: Bytes): Promise<boolean>;
  /** The lease begins again. False: another one has the training. */
  renew(id: string, version: number): Promise<boolean>;
  /** Forgets it, where it has this version. */
  remove(id: string, version: number): Promise<void>;
  close(): Promise<void>;
}

/** What a training may be called: names come from clients, and become those of files and keys. */
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
export const isTrainingId = (id: string): boolean => ID.test(id);

export const tooLarge = (id: string, bytes: number, mostBytes: number): StoreError =>
  new StoreError(
    `the training '${id}' has ${formatBytes(bytes)} in the store, at most ` +
      `${formatBytes(mostBytes)} were expected: it is another one's, begin again`,
  );
