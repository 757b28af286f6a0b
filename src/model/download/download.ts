// A file that comes over HTTP, read from front to back through one request for as long as it holds:
// what breaks off, stalls or is refused for the moment is asked for again from where it stopped.
// It never joins bytes of two versions of a file, and holds no more than nobody has used yet.
import { ModelFormatError, OptionError } from '../../errors.ts';
import { complete } from '../../options/table.ts';
import type { CacheReport, ModelSource } from '../source.ts';
import { changed, Final, givenUp, odd, type Progress, refusePage, unreadable } from './failures.ts';
import { Fault, faultOf } from './faults.ts';
import { type DownloadOptions, downloadTable, type LoadRetry } from './options.ts';
import type { Version } from './http-headers.ts';
import { Received } from './received.ts';
import { RemoteFile } from './remote-file.ts';
import { FileRequest } from './request.ts';
import { Retries } from './retries.ts';
import { Wait } from './wait.ts';

/** Parts that end in order where the server said are no fault, unless they are as small as that. */
const LEAST_PART_BYTES = 1 << 16;

/** Where a download begins whose first bytes are here: that place, and the version they are of. */
export interface DownloadStart {
  readonly at: number;
  readonly version: Version;
  readonly totalBytes: number;
}

/** Takes all bytes of a download, in order, before they are read. Never throws. */
export interface DownloadSink {
  /** The bytes are the download's: they may be read, not kept. Nothing comes until it is done. */
  add(bytes: Uint8Array): Promise<void>;
}

export interface DownloadSource extends ModelSource {
  /** Which version of the file comes. */
  readonly version: Version | undefined;
  cache?: CacheReport;
  /** Gives a sink what has come and is not forgotten, and from then on what comes. */
  handTo(sink: DownloadSink): Promise<void>;
}

/**
 * Opens a URL for reading. The first bytes have come when it resolves; with a `start` nothing is
 * asked for before what lies behind it is read, and it must be of that version.
 */
export async function openDownload(
  url: URL,
  options: DownloadOptions,
  start?: DownloadStart,
): Promise<DownloadSource> {
  const download = new Download(url, options, start);
  try {
    if (!start) await download.begin();
    return download;
  } catch (error) {
    await download.close();
    throw error;
  }
}

/** The answer that is read. */
interface Answer {
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  /** Offset in the file of its first byte, and behind its last where a part says so. */
  readonly start: number;
  readonly partEnd?: number;
  /** How many bytes had come before it. */
  readonly before: number;
  /** Offset in the file of its next byte. */
  at: number;
}

class Download implements DownloadSource {
  readonly name: string;
  cache?: CacheReport;
  readonly #request: FileRequest;
  readonly #file: RemoteFile;
  readonly #received: Received;
  readonly #retries: Retries;
  readonly #wait: Wait;
  readonly #stallMs: number;
  readonly #signal?: AbortSignal;
  readonly #onRetry?: (retry: LoadRetry) => void;
  /** Ends the request under way. */
  #control?: AbortController;
  #answer?: Answer;
  /** Whether all bytes have come. */
  #finished = false;
  #sink?: DownloadSink;

  constructor(url: URL, options: DownloadOptions, start?: DownloadStart) {
    const { retries, retryDelayMs, stallMs } = complete(options, downloadTable);
    this.#request = new FileRequest(url, options);
    this.name = this.#request.name;
    this.#file = new RemoteFile(this.name, start);
    this.#received = new Received(start?.at);
    this.#retries = new Retries(this.#request.local ? 0 : retries, retryDelayMs);
    this.#stallMs = stallMs;
    this.#signal = options.signal;
    this.#onRetry = options.onRetry;
    this.#wait = new Wait(this.#signal);
  }

  get sizeBytes(): number {
    return this.#file.total ?? Number.POSITIVE_INFINITY;
  }

  get version(): Version | undefined {
    return this.#file.version;
  }

  async handTo(sink: DownloadSink): Promise<void> {
    const { begin, end } = this.#received;
    this.#sink = sink;
    if (end > begin) await sink.add(this.#received.read(begin, end - begin));
  }

  /** Waits for the first bytes, and says what they are where they are a page. */
  async begin(): Promise<void> {
    while (this.#received.end === 0 && !this.#finished) await this.#receive();
    if (this.#received.end === 0)
      throw new ModelFormatError(
        `${this.name}: the answer is empty (0 bytes), expected a GGUF file: check the URL`,
      );
    refusePage(this.name, this.#received.read(0, 64), this.#file.contentType);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (offset < this.#received.begin)
      throw new RangeError(`${this.name}: offset ${offset} was forgotten`);
    this.#signal?.throwIfAborted();
    while (this.#received.end < offset + length && !this.#finished) await this.#receive();
    return this.#received.read(offset, length);
  }

  forget(offset: number): void {
    this.#received.forget(offset);
  }

  async pause(): Promise<void> {
    this.#drop();
  }

  async close(): Promise<void> {
    this.#wait.close();
    this.#received.clear();
    this.#finished = true;
    this.#drop();
  }

  get #progress(): Progress {
    return this.#file.progress(this.#received.end);
  }

  /** Takes the next bytes in, or finds that there are none; tries again where that may help. */
  async #receive(): Promise<void> {
    try {
      if (!this.#answer) await this.#connect();
      const answer = this.#answer;
      if (!answer) return; // all of it is here
      const next = answer.reader.read();
      const { done, value } = await this.#wait.until(next, this.#stallMs, 'nothing more came');
      if (done) this.#ended(answer);
      else {
        const fresh = this.#take(value, answer);
        await this.#sink?.add(fresh);
      }
    } catch (error) {
      if (this.#answer && this.#cameAgain(this.#answer)) this.#retries.endedAgain();
      this.#drop();
      if (this.#signal?.aborted) throw this.#signal.reason;
      if (error instanceof Final) throw error.error;
      await this.#again(error instanceof Fault ? error : faultOf(error, this.#request.url));
    }
  }

  /** Whether an answer brought all of what had come before it again, and nothing else. */
  #cameAgain({ start, before, at }: Answer): boolean {
    const { end } = this.#received;
    return start === 0 && before > 0 && end === before && at === end;
  }

  /** Asks for the file, from where it stopped; there is no answer to read where it ends there. */
  async #connect(): Promise<void> {
    const { end, tailLength } = this.#received;
    // where nothing else tells that it is the same file, a piece is read twice and compared;
    // not the first byte, which would be the whole file
    const offset = this.#file.isKnown ? end : Math.max(end - tailLength, Math.min(end, 1));
    const asked = this.#file.hasParts ? offset : 0;
    const control = new AbortController();
    this.#control = control;
    const response = await this.#wait.until(
      this.#request.send(asked, this.#file.version, control.signal),
      this.#stallMs,
      'no answer came',
      (late) => void late?.body?.cancel?.().catch(() => {}),
    );
    // not instanceof: other fetches have classes of their own
    if (typeof response?.status !== 'number' || typeof response.headers?.get !== 'function')
      throw new Final(new OptionError(`${this.name}: \`fetch\` gave no Response`));
    try {
      const part = this.#file.accept(response, asked, end);
      if (!part) {
        this.#finished = true;
        return;
      }
      const reader = part.body.getReader();
      const { start, end: partEnd } = part;
      this.#answer = { reader, start, partEnd, before: end, at: start };
    } catch (error) {
      response.body?.cancel?.().catch(() => {});
      throw error;
    }
  }

  /**
   * Takes the next bytes of an answer, and gives those that are new; those that had come before it
   * are compared.
   */
  #take(value: Uint8Array, answer: Answer): Uint8Array {
    if (!(value instanceof Uint8Array))
      throw new Final(new OptionError(`${this.name}: \`fetch\` gives a body that is not bytes`));
    const known = this.#received.end - answer.at;
    if (known > 0) {
      const other = this.#received.firstChange(value, answer.at);
      if (other !== undefined) throw changed(this.#progress, `byte ${other} is another now`);
    }
    answer.at += value.length;
    const fresh = known > 0 ? value.subarray(known) : value;
    if (fresh.length === 0) return fresh;
    this.#received.add(fresh);
    this.#retries.progress();
    const { total } = this.#file;
    if (total !== undefined && this.#received.end > total)
      throw odd(this.#progress, `sends more than the ${total} bytes it announced (compressed?)`);
    return fresh;
  }

  /** An answer ended in order: so does the file, or there is more to ask for. */
  #ended({ at, partEnd, before }: Answer): void {
    const { total } = this.#file;
    const { end } = this.#received;
    if (at < end)
      throw new Fault(`it ended at byte ${at}, and ${end} were read before`, 'always', '');
    const all = total === undefined ? partEnd === undefined : end >= total;
    // servers may send less than was asked for, as long as they say so
    const inOrder = partEnd === end && end - before >= LEAST_PART_BYTES;
    if (all) this.#finished = true;
    else if (!inOrder)
      throw new Fault(
        `the answer ended${total === undefined ? '' : ` before the ${total} bytes it announced`}`,
        'always',
        'get another copy if it ends there again',
      );
    this.#drop();
  }

  /** Waits until the next try, or throws what makes an end of it. */
  async #again(fault: Fault): Promise<void> {
    const { url, local } = this.#request;
    const delayMs = this.#retries.next(fault, this.#file.version !== undefined);
    if (delayMs === undefined)
      throw local
        ? unreadable(this.name, fault, url)
        : givenUp(this.#progress, fault, this.#retries, url);
    const { attempt } = this.#retries;
    const offset = this.#received.end;
    this.#onRetry?.({ attempt, reason: fault.reason, offset, delayMs, url: this.name });
    await this.#wait.pause(delayMs);
  }

  /** Lets the answer go. */
  #drop(): void {
    const reader = this.#answer?.reader;
    this.#answer = undefined;
    reader?.cancel().catch(() => {});
    this.#control?.abort();
    this.#control = undefined;
  }
}
