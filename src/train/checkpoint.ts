// A training on disk (snapshot.ts has its bytes). It is written beside itself and renamed, so that
// a process that is killed leaves the step before, whole.
import { runtime } from '#runtime';
import { StoreError, UnsupportedError } from '../errors.ts';
import type { Folders } from '../runtime/runtime.ts';
import type { Parameters } from './parameters.ts';
import {
  damaged,
  readFront,
  readSnapshot,
  type SnapshotRecord,
  writeSnapshot,
} from './snapshot.ts';

/** What is known of a training beside its numbers. */
export interface TrainingRecord extends SnapshotRecord {
  /** Loss of each step. */
  readonly losses: readonly number[];
  /** Steps, and the loss of the lines held out behind them. */
  readonly heldOut: readonly (readonly [step: number, loss: number])[];
}

/** A checkpoint that was read. */
export interface Kept<R> {
  readonly record: R;
  /** Numbers beside the parameters'. */
  readonly others: readonly Float32Array[];
}

function foldersHere(): Folders {
  if (runtime.folders) return runtime.folders;
  throw new UnsupportedError(
    `a checkpoint is a file, and there are none here: leave checkpoint out, or train where there ` +
      `are files`,
  );
}

const partOf = (path: string) => `${path}.part`;

/** Throws StoreError where it cannot be written; what was there before is there still. */
export async function writeCheckpoint(
  path: string,
  record: TrainingRecord,
  parameters: Parameters,
  others?: readonly Float32Array[],
): Promise<void> {
  const folders = foldersHere();
  const part = partOf(path);
  try {
    await folders.remove(part);
    const file = await folders.create(part);
    try {
      await writeSnapshot((bytes) => file.write(bytes), record, parameters, others);
    } finally {
      await file.close();
    }
    await folders.rename(part, path);
  } catch (cause) {
    throw new StoreError(
      `checkpoint '${path}' cannot be written (${(cause as Error).message}): make room, or ` +
        `choose another place`,
      { cause },
    );
  }
}

/**
 * What a checkpoint knows, and its numbers put in the parameters' place; undefined where there is
 * none. Throws StoreError for a damaged one, OptionError for another training's: nothing is put in
 * place then.
 */
export async function readCheckpoint<R extends TrainingRecord>(
  path: string,
  of: R['of'],
  parameters: Parameters,
): Promise<Kept<R> | undefined> {
  let file: Awaited<ReturnType<Folders['open']>>;
  try {
    file = await foldersHere().open(path);
  } catch (cause) {
    if ((cause as { code?: string }).code === 'ENOENT') return undefined;
    if (cause instanceof UnsupportedError) throw cause;
    throw unreadable(path, cause);
  }
  try {
    const from = {
      ...file,
      name: `checkpoint '${path}'`,
      advice: 'remove it to begin the training again, or choose another checkpoint',
    };
    const front = await readFront(from);
    const record = front.header as SnapshotRecord as R;
    if (!Array.isArray(record.losses) || !Array.isArray(record.heldOut))
      throw damaged(from, 'has a header that cannot be read (fields are missing)');
    return { record, others: await readSnapshot(from, front, of, parameters) };
  } catch (cause) {
    // a folder opens, and cannot be read
    throw (cause as { code?: string }).code === undefined ? cause : unreadable(path, cause);
  } finally {
    await file.close();
  }
}

/** The training came to its end, and what came of it is elsewhere. */
export const removeCheckpoint = (path: string): Promise<void> => foldersHere().remove(path);

const unreadable = (path: string, cause: unknown) =>
  new StoreError(
    `checkpoint '${path}' cannot be read (${(cause as Error).message}): choose another place`,
    { cause },
  );
