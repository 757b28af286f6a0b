// A model whose first bytes, or all, lie in the browser's files; what is missing is downloaded, and
// kept.
import { StoreError } from '../../errors.ts';
import { joined } from '../../math/joined.ts';
import type { OriginFile, OriginFiles } from '../../runtime/runtime.ts';
import type { DownloadSource } from '../download/download.ts';
import type { CacheReport, ModelSource } from '../source.ts';
import { type Entry, HEAD_BYTES, isComplete } from './entry.ts';
import type { Keeper } from './keeper.ts';

/** Padding behind the last tensor, which nobody reads, is worth waiting for. */
const LEFT_BYTES = 1 << 16;

/** A copy that is open, and held against others. */
export interface Copy {
  readonly files: OriginFiles;
  readonly fileName: string;
  readonly file: Pick<OriginFile, 'read' | 'close'>;
  readonly entry: Entry;
  release(): Promise<void>;
}

/** What goes on behind it. */
export interface Rest {
  readonly download: DownloadSource;
  readonly keeper: Keeper;
}

export class CachedSource implements ModelSource {
  readonly name: string;
  readonly sizeBytes: number;
  readonly #copy: Omit<Copy, 'file'>;
  /** Undefined while it is paused: in a page each open file has a worker. */
  #file?: Copy['file'];
  readonly #rest?: Rest;
  readonly #signal?: AbortSignal;
  #cache: CacheReport;

  constructor(
    name: string,
    { file, ...copy }: Copy,
    { rest, note, signal }: { rest?: Rest; note?: string; signal?: AbortSignal },
  ) {
    const { entry } = copy;
    this.name = name;
    this.sizeBytes = entry.totalBytes;
    this.#copy = copy;
    this.#file = file;
    this.#rest = rest;
    this.#signal = signal;
    this.#cache = { cachedBytes: entry.bytes, complete: isComplete(entry), note };
  }

  get cache(): CacheReport {
    return this.#cache;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.#signal?.throwIfAborted();
    const { bytes: end, totalBytes } = this.#copy.entry;
    const wanted = Math.max(0, Math.min(length, totalBytes - offset));
    const here = Math.max(0, Math.min(wanted, end - offset));
    const file = await this.#open();
    if (here === 0) return this.#rest?.download.read(offset, wanted) ?? new Uint8Array();
    const kept = await file?.read(HEAD_BYTES + offset, here);
    if (!kept || kept.length < here)
      throw new StoreError(
        `${this.name}: the browser lost some of its copy while it was read: load it again`,
      );
    if (here === wanted || !this.#rest) return kept;
    return joined([kept, await this.#rest.download.read(end, wanted - here)]);
  }

  forget(offset: number): void {
    this.#rest?.download.forget(offset);
  }

  /** The copy stays this load's. */
  async pause(): Promise<void> {
    await this.#rest?.download.pause?.();
    await this.#rest?.keeper.finish();
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  /** Undefined where it cannot be opened again: then it is not kept. */
  async #open(): Promise<Copy['file'] | undefined> {
    if (this.#file) return this.#file;
    const { files, fileName } = this.#copy;
    if (!this.#rest) return (this.#file = await files.openToRead(fileName));
    const { keeper } = this.#rest;
    try {
      const file = await files.openToWrite(fileName, true);
      keeper.goOn(file);
      return (this.#file = file);
    } catch (error) {
      keeper.failure = (error as Error).message;
      return undefined;
    }
  }

  async close(): Promise<void> {
    const { files, fileName, release } = this.#copy;
    try {
      await this.#finish();
      await this.#file?.close();
      if (this.#rest?.keeper.failure !== undefined) await files.remove(fileName);
    } catch (error) {
      this.#note((error as Error).message);
    } finally {
      await release();
    }
  }

  /** Ends the download, and keeps what came. */
  async #finish(): Promise<void> {
    if (!this.#rest) return;
    const { download, keeper } = this.#rest;
    const left = this.sizeBytes - keeper.end;
    if (left > 0 && left <= LEFT_BYTES && !this.#signal?.aborted) {
      await this.#open();
      await download.read(this.sizeBytes, 0).catch(() => {});
    }
    await download.close();
    await keeper.finish();
    this.#cache = { ...this.#cache, complete: isComplete(keeper.entry) };
    if (keeper.failure !== undefined) {
      this.#cache = { ...this.#cache, complete: false };
      this.#note(keeper.failure);
    }
  }

  #note(why: string): void {
    this.#cache = { ...this.#cache, note: `it is not kept: ${why}` };
  }
}
