// loadModel(url, { cache: true }): reads what the browser keeps of a model, downloads the rest,
// keeps that too. Where nothing can be kept the model is downloaded as ever, and a note says why.
import { runtime } from '#runtime';
import { OptionError, StoreError, UnsupportedError } from '../../errors.ts';
import { formatBytes } from '../../math/format.ts';
import type { OriginFiles } from '../../runtime/runtime.ts';
import { type DownloadSource, openDownload } from '../download/download.ts';
import { maskUrl } from '../download/mask.ts';
import type { DownloadOptions } from '../download/options.ts';
import type { ModelSource } from '../source.ts';
import { askServer, isSame, type Silence, type Told } from './ask.ts';
import { CachedSource, type Copy } from './cached-source.ts';
import { addressOf, type Entry, HEAD_BYTES, isComplete, nameOf, readEntry } from './entry.ts';
import { Keeper } from './keeper.ts';

const BUSY = 'another load of it, here or in another tab, is keeping it at the moment';
/** Loads that change a copy between two looks at it, before this one does without. */
const MOST_LOOKS = 3;

/** Throws OptionError where models are files, and what a download throws. */
export async function openCached(url: URL, options: DownloadOptions): Promise<ModelSource> {
  const name = maskUrl(url);
  if (!runtime.originFiles)
    throw new OptionError(
      `cache is true, but ${runtime.name} is no browser, which would keep ${name}: download it ` +
        'to a file and load its path',
    );
  try {
    const files = await runtime.originFiles();
    const address = addressOf(url);
    const opening = new Opening({ files, url, address, fileName: await nameOf(address) }, options);
    for (let look = 0; look < MOST_LOOKS; look++) {
      const source = await opening.look();
      if (source) return source;
    }
    return await uncached(url, options, BUSY);
  } catch (error) {
    if (!(error instanceof StoreError || error instanceof UnsupportedError)) throw error;
    return uncached(url, options, error.message);
  }
}

const uncached = async (url: URL, options: DownloadOptions, why: string): Promise<ModelSource> =>
  noted(await openDownload(url, options), why);

function noted(download: DownloadSource, why: string): ModelSource {
  download.cache = { cachedBytes: 0, complete: false, note: `it is not kept: ${why}` };
  return download;
}

/** Where a model is kept. */
interface Place {
  readonly files: OriginFiles;
  readonly url: URL;
  readonly address: string;
  readonly fileName: string;
}

class Opening {
  readonly #place: Place;
  readonly #options: DownloadOptions;

  constructor(place: Place, options: DownloadOptions) {
    this.#place = place;
    this.#options = options;
  }

  /** Undefined where another load has changed the copy meanwhile. */
  async look(): Promise<ModelSource | undefined> {
    const { files, url, fileName } = this.#place;
    const shared = await files.lock(fileName, 'shared');
    if (!shared) return uncached(url, this.#options, BUSY);
    let entry: Entry | undefined;
    let told: Told | Silence | undefined;
    const whole = await letGoOnError(shared, async () => {
      entry = await readEntry(files, fileName);
      told = entry && (await askServer(url, this.#options));
      return entry && isComplete(entry) && fits(entry, told)
        ? this.#open(entry, shared, told)
        : undefined;
    });
    if (whole) return whole;
    await shared();
    // what is there must be gone on with, or be replaced: nobody else may have it then
    const alone = await files.lock(fileName, 'exclusive');
    if (!alone) return uncached(url, this.#options, BUSY);
    return letGoOnError(alone, async () => {
      const now = await readEntry(files, fileName);
      if (now?.number === entry?.number && now?.savedAt === entry?.savedAt)
        return entry && entry.bytes > 0 && fits(entry, told)
          ? this.#goOn(entry, alone, told)
          : this.#begin(alone);
      await alone();
      return undefined;
    });
  }

  /** All of it is here. */
  async #open(
    entry: Entry,
    release: Copy['release'],
    told: Told | Silence | undefined,
  ): Promise<ModelSource> {
    const { files, url, fileName } = this.#place;
    const file = await files.openToRead(fileName);
    const copy = { files, fileName, file, entry, release };
    return new CachedSource(maskUrl(url), copy, { ...this.#options, note: noteOf(told) });
  }

  /** Some of it is here. */
  async #goOn(
    entry: Entry,
    release: Copy['release'],
    told: Told | Silence | undefined,
  ): Promise<ModelSource> {
    const { url } = this.#place;
    const { version, totalBytes, bytes } = entry;
    const download = await openDownload(url, this.#options, { at: bytes, version, totalBytes });
    try {
      return await this.#keep(download, entry, release, noteOf(told));
    } catch (error) {
      await download.close();
      throw error;
    }
  }

  /** Nothing of it is here, or what is of no use. */
  async #begin(release: Copy['release']): Promise<ModelSource> {
    const { address, url } = this.#place;
    const download = await openDownload(url, this.#options);
    try {
      const { version, sizeBytes } = download;
      const why = await this.#whyNot(download);
      if (why !== undefined || !version) throw new StoreError(why ?? 'nothing is known of it');
      const entry = { url: address, version, totalBytes: sizeBytes, bytes: 0 };
      return await this.#keep(download, { ...entry, savedAt: 0, number: -1 }, release);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      await release();
      download.cache = {
        cachedBytes: 0,
        complete: false,
        note: `it is not kept: ${error.message}`,
      };
      return download;
    }
  }

  /** Keeps a download behind what an entry has. */
  async #keep(
    download: DownloadSource,
    entry: Entry,
    release: Copy['release'],
    note?: string,
  ): Promise<ModelSource> {
    const { files, fileName } = this.#place;
    const file = await files.openToWrite(fileName, entry.bytes > 0);
    const keeper = new Keeper(file, entry);
    if (entry.bytes === 0) await keeper.begin();
    await download.handTo(keeper);
    const copy = { files, fileName, file, entry, release };
    return new CachedSource(download.name, copy, {
      ...this.#options,
      rest: { download, keeper },
      note,
    });
  }

  /** Why a file cannot be kept; undefined where it can. */
  async #whyNot({ version, sizeBytes }: DownloadSource): Promise<string | undefined> {
    if ((version?.etag ?? version?.modified) === undefined)
      return 'its server names no version of it (ETag, Last-Modified), or hides that from pages';
    if (!Number.isFinite(sizeBytes)) return 'its server does not say how long it is';
    const { files, fileName } = this.#place;
    const free = await files.roomBytes();
    if (free === undefined) return undefined;
    // what is there of it makes room
    const room = free + ((await files.peek(fileName, 0))?.sizeBytes ?? 0);
    if (HEAD_BYTES + sizeBytes <= room) return undefined;
    return (
      `it is ${formatBytes(sizeBytes)}, and the browser has room for ${formatBytes(room)}: ` +
      'delete models that it keeps (cachedModels(), deleteCachedModel()), or free disk space'
    );
  }
}

async function letGoOnError<T>(release: () => Promise<void>, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await release();
    throw error;
  }
}

/** Whether a copy may be used: the server says so, or nobody answers. */
const fits = (entry: Entry, told: Told | Silence | undefined): boolean =>
  told !== undefined && ('why' in told || isSame(entry, told));

const noteOf = (told: Told | Silence | undefined): string | undefined =>
  told && 'why' in told
    ? `it was not checked whether the server has another version: ${told.why}`
    : undefined;
