// A file that comes over HTTP, read from front to back through one request for as long as it holds:
// what breaks off, stalls or is refused for the moment is asked for again from where it stopped.
// It never joins bytes of two versions of a file, and holds no more than nobody has used yet.
import { ModelFormatError, NetworkError, OptionError, UnsupportedError } from '../errors.ts';
import {
  announcedLength,
  contentRange,
  differs,
  type Again,
  Fault,
  faultOf,
  ifRange,
  isForeign,
  maskCause,
  maskUrl,
  retryAfterMs,
  TRY_LATER,
  type Version,
  versionOf,
} from './network.ts';
import type { ModelSource } from './source.ts';

/** Headers as fetch takes them. */
export type LoadHeaders = Headers | Readonly<Record<string, string>> | [string, string][];
/** What fetches: the platform's fetch, or what behaves like it. */
export type LoadFetch = (
  url: string,
  init?: { headers?: LoadHeaders; signal?: AbortSignal | null; redirect?: 'follow' },
) => Promise<Response>;

/** A try that failed, and the next one. */
export interface LoadRetry {
  /** 1 for the first try again since bytes last came. */
  readonly attempt: number;
  /** What happened, in words. */
  readonly reason: string;
  /** The byte it goes on from. */
  readonly offset: number;
  /** Milliseconds until it does. */
  readonly delayMs: number;
  /** The URL without what may be secret in it. */
  readonly url: string;
}

export interface DownloadOptions {
  readonly signal?: AbortSignal;
  /** What fetches. Default: the platform's. */
  readonly fetch?: LoadFetch;
  /** Sent with every request. */
  readonly headers?: LoadHeaders;
  /** Tries again without a byte between them, after which the load fails. Default 5. */
  readonly retries?: number;
  /** Milliseconds before the first of them; each waits twice as long. Default 500. */
  readonly retryDelayMs?: number;
  /** Milliseconds without an answer, or without a byte of it, that count as a fault. */
  readonly stallMs?: number;
  /** Called before each further try. */
  readonly onRetry?: (retry: LoadRetry) => void;
}

const STALL_MS = 30_000;
const RETRIES = 5;
const RETRY_DELAY_MS = 500;
/** The longest wait between two tries, and the longest that a server may ask for. */
const LONGEST_DELAY_MS = 60_000;
/** Without a byte for so long a load fails, however many tries are left. */
const LONGEST_OUTAGE_MS = 10 * 60_000;
/** Tries of one load, bytes between them or not: a server that sends one a connection ends. */
const MOST_RETRIES = 1000;
/** Parts that end in order where the server said are no fault, unless they are as small as that. */
const LEAST_PART_BYTES = 1 << 16;
/** Servers without ranges send everything again: so many times what is new, or of 16 MiB. */
const MOST_SENT_AGAIN = 8;
const SENT_AGAIN_BYTES = 16 << 20;
/** Times in a row that a whole answer may end at the same byte before that is the file's end. */
const MOST_SAME_ENDS = 2;
/** Bytes kept to compare where an answer overlaps what was read. */
const TAIL_BYTES = 4096;
/** setTimeout's largest; it fires at once beyond. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Opens a URL for reading; the first bytes have come when it resolves. */
export async function openDownload(url: URL, options: DownloadOptions): Promise<ModelSource> {
  const download = new Download(url, options);
  try {
    await download.begin();
    return download;
  } catch (error) {
    await download.close();
    throw error;
  }
}

class Download implements ModelSource {
  readonly name: string;
  /** As the user gave it. */
  readonly #url: URL;
  /** What is fetched: no user, no password, no fragment. */
  readonly #target: string;
  /** blob: and data: URLs: nobody to ask again. */
  readonly #local: boolean;
  readonly #fetch: LoadFetch;
  readonly #headers: Headers;
  readonly #options: Required<Pick<DownloadOptions, 'retries' | 'retryDelayMs' | 'stallMs'>>;
  readonly #signal?: AbortSignal;
  readonly #onRetry?: (retry: LoadRetry) => void;
  readonly #abort = () => this.#interrupt?.(this.#signal?.reason);
  /** Ends the wait under way. */
  #interrupt?: (reason: unknown) => void;

  // what was received: [begin, end) is kept, nothing before `floor` is wanted
  #chunks: Uint8Array[] = [];
  #begin = 0;
  #end = 0;
  #floor = 0;
  /** The last bytes, up to TAIL_BYTES of them. */
  readonly #tail = new Uint8Array(TAIL_BYTES);
  #tailLength = 0;
  #finished = false;
  /** The whole file's bytes, once a server said it. */
  #total?: number;
  #version?: Version;
  #contentType = '';
  /** Decoded on the way here: offsets are not those of the server's bytes. */
  #encoded = false;
  #ranges = true;

  // the answer that is read
  #control?: AbortController;
  #reader?: ReadableStreamDefaultReader<Uint8Array>;
  /** Offset in the file of its next byte, and of its end where a part says so. */
  #at = 0;
  #partEnd?: number;
  /** Where it began, and how far we had come then. */
  #start = 0;
  #partBegin = 0;

  #attempt = 0;
  #retried = 0;
  #sentAgain = 0;
  #sameEnds = 0;
  #progressAt = performance.now();

  constructor(url: URL, options: DownloadOptions) {
    const { retryDelayMs = RETRY_DELAY_MS, stallMs = STALL_MS } = options;
    this.#local = !/^https?:$/.test(url.protocol);
    const retries = this.#local ? 0 : (options.retries ?? RETRIES);
    this.name = maskUrl(url);
    this.#url = url;
    this.#options = { retries, retryDelayMs, stallMs };
    this.#onRetry = options.onRetry;
    // taken off the options: fetch called as a method of anything else is refused by browsers
    const fetcher = options.fetch ?? globalThis.fetch;
    if (typeof fetcher !== 'function')
      throw new UnsupportedError(`${this.name}: this runtime has no fetch: give one by option`);
    this.#fetch = fetcher;
    this.#headers = readHeaders(options.headers);
    const target = new URL(url);
    target.hash = '';
    if (!this.#local) {
      // fetch refuses URLs with a user; what it means is this header
      if ((url.username || url.password) && !this.#headers.has('authorization'))
        this.#headers.set('authorization', basic(url));
      target.username = '';
      target.password = '';
      if (!this.#headers.has('accept-encoding')) this.#headers.set('accept-encoding', 'identity');
    }
    this.#target = target.href;
    this.#signal = options.signal;
    this.#signal?.addEventListener('abort', this.#abort);
  }

  get sizeBytes(): number {
    return this.#total ?? Number.POSITIVE_INFINITY;
  }

  /** Waits for the first bytes, and says what they are where they are a page. */
  async begin(): Promise<void> {
    while (this.#end === 0 && !this.#finished) await this.#receive();
    if (this.#end === 0)
      throw new ModelFormatError(
        `${this.name}: the answer is empty (0 bytes), expected a GGUF file: check the URL`,
      );
    const text = new TextDecoder().decode(this.#chunks[0].subarray(0, 64)).trimStart();
    if (text.startsWith('GGUF')) return;
    if (text.startsWith('<') || /html/.test(this.#contentType))
      throw new ModelFormatError(
        `${this.name}: is a web page (it begins with '${text.slice(0, 15).trim()}'), not a GGUF ` +
          'file: a login, an error, or a page about the file. Check that the URL is that of the ' +
          'file itself (on Hugging Face /resolve/, not /blob/), and `headers` if it needs a token',
      );
    if (/json/.test(this.#contentType))
      throw new ModelFormatError(
        `${this.name}: is ${this.#contentType}, not a GGUF file: check that the URL is that of ` +
          `the file itself`,
      );
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (offset < this.#begin) throw new RangeError(`${this.name}: offset ${offset} was forgotten`);
    this.#signal?.throwIfAborted();
    while (this.#end < offset + length && !this.#finished) await this.#receive();
    const wanted = Math.max(0, Math.min(length, this.#end - offset));
    const out = new Uint8Array(wanted);
    let at = this.#begin;
    for (const chunk of this.#chunks) {
      const from = Math.max(0, offset - at);
      const to = Math.min(chunk.length, offset + wanted - at);
      if (from < to) out.set(chunk.subarray(from, to), at + from - offset);
      at += chunk.length;
    }
    return out;
  }

  forget(offset: number): void {
    this.#floor = Math.max(this.#floor, offset);
    let dropped = 0;
    while (
      dropped < this.#chunks.length &&
      this.#begin + this.#chunks[dropped].length <= this.#floor
    )
      this.#begin += this.#chunks[dropped++].length;
    if (dropped > 0) this.#chunks = this.#chunks.slice(dropped);
  }

  async close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#chunks = [];
    this.#finished = true;
    this.#drop();
  }

  /** Takes the next bytes in, or finds that there are none; tries again where that may help. */
  async #receive(): Promise<void> {
    try {
      if (!this.#reader) await this.#connect();
      if (!this.#reader) return; // all of it is here
      const { done, value } = await this.#wait(this.#reader.read());
      if (done) this.#ended();
      else this.#take(value);
    } catch (error) {
      // all of it came again and ended where it had: that is no accident
      const again = this.#start === 0 && this.#partBegin > 0 && this.#end === this.#partBegin;
      if (this.#reader && again && this.#at === this.#end) this.#sameEnds++;
      this.#drop();
      if (this.#signal?.aborted) throw this.#signal.reason;
      if (error instanceof Fault) await this.#again(error);
      else if (error instanceof Final) throw error.error;
      else await this.#again(faultOf(error, this.#url));
    }
  }

  /** Asks for the file, from where it stopped. */
  async #connect(): Promise<void> {
    const headers = new Headers(this.#headers);
    // where nothing else tells that it is the same file, a piece is read twice and compared
    const known = this.#version?.etag ?? this.#version?.modified ?? this.#total;
    const offset = known === undefined ? this.#end - this.#tailLength : this.#end;
    const ranged = offset > 0 && this.#ranges && !this.#encoded;
    if (ranged) {
      headers.set('range', `bytes=${offset}-`);
      const only = this.#version && ifRange(this.#version);
      // not a header that other origins allow unasked
      if (only && !isForeign(this.#url)) headers.set('if-range', only);
    }
    const control = new AbortController();
    this.#control = control;
    const fetcher = this.#fetch;
    const request = (async () =>
      fetcher(this.#target, { headers, signal: control.signal, redirect: 'follow' }))();
    const response = await this.#wait(
      request,
      (late) => void late?.body?.cancel?.().catch(() => {}),
    );
    // not instanceof: other fetches have classes of their own
    if (typeof response?.status !== 'number' || typeof response.headers?.get !== 'function')
      throw new Final(new OptionError(`${this.name}: \`fetch\` gave no Response`));
    try {
      this.#accept(response, ranged ? offset : 0);
    } catch (error) {
      response.body?.cancel?.().catch(() => {});
      throw error;
    }
  }

  /** Judges an answer to a request from `offset`; its body is what is read then. */
  #accept(response: Response, offset: number): void {
    const { status, statusText, headers } = response;
    if (status !== 200 && status !== 203 && status !== 206) {
      if (status === 416 && offset > 0) {
        this.#nothingBehind(headers);
        return;
      }
      throw this.#refused(status, statusText, headers);
    }
    const version = versionOf(headers);
    const encoding = headers.get('content-encoding') ?? 'identity';
    const length = encoding === 'identity' ? announcedLength(headers) : undefined;
    const first = this.#end === 0;
    const changed = first || !this.#version ? undefined : differs(this.#version, version);
    if (changed) throw new Final(this.#changed(changed));
    let total = length;
    let start = 0;
    this.#partEnd = undefined;
    if (status === 206) {
      const range = contentRange(headers);
      if (encoding !== 'identity') {
        this.#ranges = false;
        throw new Fault('a part came compressed', 'always', TRY_LATER);
      }
      // other origins may hide Content-Range: then the length must tell
      start = range?.start ?? offset;
      total = range?.total ?? (length === undefined ? undefined : start + length);
      if (range && range.start === undefined)
        throw this.#odd(`answered 206 with Content-Range '${headers.get('content-range')}'`);
      if (!range && (total === undefined || (!first && total !== this.#total)))
        throw this.#odd('answered 206 without a Content-Range that says which part it is');
      if (start > this.#end)
        throw this.#odd(`sent bytes from ${start}, asked for those from ${offset}`);
      this.#partEnd = range?.end;
    }
    if (!first && this.#total !== undefined && total !== undefined && total !== this.#total)
      throw new Final(this.#changed(`it is ${total} bytes long and was ${this.#total}`));
    if (!response.body) {
      if (total === 0) {
        this.#finished = true;
        return;
      }
      throw this.#odd(`answered ${status} without a body`);
    }
    this.#total ??= encoding === 'identity' ? total : undefined;
    if (first) {
      this.#version = version;
      this.#encoded = encoding !== 'identity';
      this.#contentType = (headers.get('content-type') ?? '').split(';')[0].trim().toLowerCase();
    }
    const twice = this.#end - start;
    this.#sentAgain += Math.max(0, twice);
    if (this.#sentAgain > MOST_SENT_AGAIN * Math.max(this.#end, SENT_AGAIN_BYTES))
      throw this.#odd('sends the file from its beginning each time (it takes no ranges)');
    if (typeof response.body.getReader !== 'function')
      throw new Final(new OptionError(`${this.name}: \`fetch\` gives a body that is no stream`));
    this.#at = start;
    this.#start = start;
    this.#partBegin = this.#end;
    this.#reader = response.body.getReader();
  }

  /** 416: the server's file has no byte where we are. */
  #nothingBehind(headers: Headers): void {
    const total = contentRange(headers)?.total;
    if (total === undefined) {
      this.#ranges = false;
      throw new Fault('answered 416', 'always', TRY_LATER);
    }
    if (total !== this.#end)
      throw new Final(this.#changed(`it is ${total} bytes long, and ${this.#end} were read`));
    // the length it told before was wrong; this is the end
    this.#total = total;
    this.#finished = true;
  }

  #take(value: Uint8Array): void {
    if (!(value instanceof Uint8Array))
      throw new Final(new OptionError(`${this.name}: \`fetch\` gives a body that is not bytes`));
    const known = this.#end - this.#at;
    if (known > 0) this.#compare(value, this.#at);
    this.#at += value.length;
    if (value.length <= known) return;
    const fresh = known > 0 ? value.subarray(known) : value;
    this.#end += fresh.length;
    this.#chunks.push(fresh);
    this.#keepTail(fresh.subarray(-TAIL_BYTES));
    this.#attempt = 0;
    this.#sameEnds = 0;
    this.#progressAt = performance.now();
    if (this.#total !== undefined && this.#end > this.#total)
      throw this.#odd(`sends more than the ${this.#total} bytes it announced (compressed?)`);
    this.forget(this.#floor);
  }

  #keepTail(bytes: Uint8Array): void {
    const kept = Math.min(this.#tailLength, TAIL_BYTES - bytes.length);
    this.#tail.copyWithin(0, this.#tailLength - kept, this.#tailLength);
    this.#tail.set(bytes, kept);
    this.#tailLength = kept + bytes.length;
  }

  /** Holds bytes that came again, from `at` on, against the last ones that were read. */
  #compare(value: Uint8Array, at: number): void {
    const tailBegin = this.#end - this.#tailLength;
    const from = Math.max(at, tailBegin);
    const to = Math.min(at + value.length, this.#end);
    for (let i = from; i < to; i++)
      if (value[i - at] !== this.#tail[i - tailBegin])
        throw new Final(this.#changed(`byte ${i} is another now`));
  }

  /** An answer ended in order: so does the file, or there is more to ask for. */
  #ended(): void {
    const total = this.#total;
    const end = this.#end;
    if (this.#at < end)
      throw new Fault(`it ended at byte ${this.#at}, and ${end} were read before`, 'always', '');
    if (total === undefined ? this.#partEnd === undefined : end >= total) {
      this.#finished = true;
      this.#drop();
      return;
    }
    // servers may send less than was asked for, as long as they say so
    const inOrder = this.#partEnd === end && end - this.#partBegin >= LEAST_PART_BYTES;
    if (!inOrder)
      throw new Fault(
        `the answer ended${total === undefined ? '' : ` before the ${total} bytes it announced`}`,
        'always',
        'get another copy if it ends there again',
      );
    this.#drop();
  }

  /** Waits until the next try, or throws what makes an end of it. */
  async #again(fault: Fault): Promise<void> {
    const { retries, retryDelayMs } = this.#options;
    const answered = this.#version !== undefined;
    const limits: Record<Again, number> = {
      always: retries,
      later: answered ? retries : 0,
      once: answered ? retries : Math.min(retries, 1),
      never: 0,
    };
    const backoff = Math.min(LONGEST_DELAY_MS, retryDelayMs * 2 ** this.#attempt);
    const delayMs = Math.max(fault.waitMs ?? 0, Math.round(backoff * (0.5 + Math.random() / 2)));
    const outage = performance.now() - this.#progressAt + delayMs;
    if (
      this.#attempt >= limits[fault.again] ||
      this.#retried >= MOST_RETRIES ||
      this.#sameEnds >= MOST_SAME_ENDS ||
      delayMs > LONGEST_DELAY_MS ||
      outage > LONGEST_OUTAGE_MS
    )
      throw this.#givenUp(fault);
    this.#attempt++;
    this.#retried++;
    const { name: url } = this;
    const { reason } = fault;
    this.#onRetry?.({ attempt: this.#attempt, reason, offset: this.#end, delayMs, url });
    await this.#wait(undefined, undefined, delayMs);
  }

  #givenUp({ reason, advice, waitMs = 0, cause }: Fault): Error {
    const options = { cause: cause === undefined ? undefined : maskCause(cause, this.#url) };
    if (this.#local)
      return new OptionError(
        `${this.name}: ${reason}: it was revoked, is damaged, or belongs to another page or worker`,
        options,
      );
    const place = this.#end === 0 ? '' : `, at byte ${this.#end}${this.#of()}`;
    const tries = this.#attempt === 0 ? '' : `, ${this.#attempt + 1} times`;
    const wait = waitMs > LONGEST_DELAY_MS ? ` and asks to wait ${Math.ceil(waitMs / 1000)} s` : '';
    const what =
      this.#sameEnds < MOST_SAME_ENDS
        ? advice
        : 'it ends there every time, so the length it tells is wrong or its copy was cut off';
    const told = `${this.name}: ${reason}${wait}${place}${tries}: ${what}`;
    return new NetworkError(told, options);
  }

  /** What a status means. */
  #refused(status: number, statusText: string, headers: Headers): Fault | Final {
    const said = `answered ${status}${statusText ? ` ${statusText}` : ''}`;
    if (status === 429 || status === 408 || status === 425 || status >= 500)
      return new Fault(said, 'always', TRY_LATER, { waitMs: retryAfterMs(headers) });
    const place = this.#end === 0 ? '' : ` when it was to go on at byte ${this.#end}`;
    const answer = `${this.name}: ${said}${place}`;
    if (status === 401 || status === 403 || status === 407)
      return new Final(
        new OptionError(
          `${answer}: it is not for everybody. Give a token that may read it ` +
            "(`headers: { authorization: 'Bearer ...' }`), accept the model's terms where it is " +
            'kept, or renew a signed URL that has expired',
        ),
      );
    if (status === 404 || status === 410)
      return new Final(
        new OptionError(
          `${answer}: there is no such file. Check the URL; private files are hidden like that ` +
            `too (option \`headers\`)`,
        ),
      );
    if (status === 0)
      return new Final(new OptionError(`${answer}: an opaque answer; \`fetch\` must use CORS`));
    return new Final(new OptionError(`${answer}: expected 200 and a GGUF file, check the URL`));
  }

  #of(): string {
    return this.#total === undefined ? '' : ` of ${this.#total}`;
  }

  #changed(how: string): NetworkError {
    return new NetworkError(
      `${this.name}: the file changed while it was read, at byte ${this.#end}${this.#of()}: ` +
        `${how}. Load it again`,
    );
  }

  #odd(what: string): Final {
    return new Final(
      new NetworkError(
        `${this.name}: the server ${what}, at byte ${this.#end}${this.#of()}: load from another ` +
          `server, or download the file and load that`,
      ),
    );
  }

  /** Lets the answer go. */
  #drop(): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.cancel().catch(() => {});
    this.#control?.abort();
    this.#control = undefined;
  }

  /**
   * Waits for work no longer than stallMs, or, without work, for `ms`; not a moment longer when
   * the signal aborts. What comes too late goes to `late`.
   */
  #wait<T>(
    work: Promise<T> | undefined,
    late?: (value: T) => void,
    ms: number = this.#options.stallMs,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      let over = false;
      let timer: ReturnType<typeof setTimeout> | undefined;
      const end = (act: () => void) => {
        if (over) return;
        over = true;
        clearTimeout(timer);
        this.#interrupt = undefined;
        act();
      };
      const pass = () => {
        if (!work) return end(() => resolve(undefined as T));
        const what = this.#reader ? 'nothing more came' : 'no answer came';
        end(() => reject(new Fault(`${what} for ${ms} ms`, 'always', TRY_LATER)));
      };
      if (ms !== Number.POSITIVE_INFINITY) timer = setTimeout(pass, Math.min(ms, LONGEST_TIMER_MS));
      this.#interrupt = (reason) => end(() => reject(reason));
      work?.then(
        (value) => (over ? late?.(value) : end(() => resolve(value))),
        (error) => end(() => reject(error)),
      );
      if (this.#signal?.aborted) this.#abort();
    });
  }
}

/** An error that no further try mends. */
class Final {
  readonly error: Error;
  constructor(error: Error) {
    this.error = error;
  }
}

function readHeaders(given: LoadHeaders | undefined): Headers {
  let headers: Headers;
  try {
    headers = new Headers(given);
  } catch {
    // its message would show a token
    throw new OptionError('headers: a name or value of them cannot be sent in HTTP');
  }
  for (const name of ['range', 'if-range'])
    if (headers.has(name)) throw new OptionError(`headers: '${name}' is set by the load itself`);
  return headers;
}

/** A URL's user and password as the header that means them. */
function basic(url: URL): string {
  const decoded = [url.username, url.password].map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(decoded.join(':'))))}`;
}
