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
  readonly #copy: Copy;
  readonly #rest?: Rest;
  readonly #signal?: AbortSignal;
  #cache: CacheReport;

  constructor(
    name: string,
    copy: Copy,
    { rest, note, signal }: { rest?: Rest; note?: string; signal?: AbortSignal },
  ) {
    const { entry } = copy;
    this.name = name;
    this.sizeBytes = entry.totalBytes;
    this.#copy = copy;
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
    if (here === 0) return this.#rest?.download.read(offset, wanted) ?? new Uint8Array();
    const kept = await this.#copy.file.read(HEAD_BYTES + offset, here);
    if (kept.length < here)
      throw new StoreError(
        `${this.name}: the browser lost some of its copy while it was read: load it again`,
      );
    if (here === wanted || !this.#rest) return kept;
    return joined([kept, await this.#rest.download.read(end, wanted - here)]);
  }

  forget(offset: number): void {
    this.#rest?.download.forget(offset);
  }

  async close(): Promise<void> {
    const { files, fileName, file, release } = this.#copy;
    try {
      await this.#finish();
      await file.close();
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
    if (left > 0 && left <= LEFT_BYTES && !this.#signal?.aborted)
      await download.read(this.sizeBytes, 0).catch(() => {});
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
