// What answers have told of a file, and whether the next one fits it: bytes of two versions are
// never joined. It reads no bytes itself.
import { OptionError } from '../../errors.ts';
import { changed, Final, odd, type Progress, refused } from './failures.ts';
import { Fault, TRY_LATER } from './faults.ts';
import { announcedLength, contentRange, differs, type Version, versionOf } from './http-headers.ts';

/** Servers without ranges send everything again: so many times what is new, or of 16 MiB. */
const MOST_SENT_AGAIN = 8;
const SENT_AGAIN_BYTES = 16 << 20;

/** What an answer brings. */
export interface Part {
  /** Offset in the file of its first byte. */
  readonly start: number;
  /** Offset behind its last byte, where the answer is a part and says so. */
  readonly end?: number;
  readonly body: ReadableStream<Uint8Array>;
}

export class RemoteFile {
  readonly name: string;
  /** The whole file's bytes, once a server said it. */
  total?: number;
  version?: Version;
  contentType = '';
  /** Decoded on the way here: offsets are not those of the server's bytes. */
  #encoded = false;
  #ranges = true;
  /** Bytes that came more than once. */
  #sentAgain = 0;

  /** `known`: what an earlier download was told of it. */
  constructor(name: string, known?: { readonly version: Version; readonly totalBytes: number }) {
    this.name = name;
    this.version = known?.version;
    this.total = known?.totalBytes;
  }

  /** Whether parts of it can be asked for. */
  get hasParts(): boolean {
    return this.#ranges && !this.#encoded;
  }

  /** Whether something tells that the next answer is of the same file: its length is not enough. */
  get isKnown(): boolean {
    return (this.version?.etag ?? this.version?.modified) !== undefined;
  }

  progress(end: number): Progress {
    return { name: this.name, end, total: this.total };
  }

  /**
   * Judges an answer to a request for the bytes from `asked` on, when those before `end` have come.
   * Undefined where the file ends there. Throws Fault or Final.
   */
  accept(response: Response, asked: number, end: number): Part | undefined {
    const { status, headers, body } = response;
    if (status === 416 && asked > 0) {
      this.#endsAt(end, headers);
      return undefined;
    }
    if (status !== 200 && status !== 203 && status !== 206)
      throw refused(this.progress(end), response);
    const encoding = headers.get('content-encoding') ?? 'identity';
    const length = encoding === 'identity' ? announcedLength(headers) : undefined;
    const version = versionOf(headers);
    const first = end === 0;
    const how = first || !this.version ? undefined : differs(this.version, version);
    if (how) throw changed(this.progress(end), how);
    const range =
      status === 206
        ? this.#rangeOf(headers, { encoding, length, asked, end })
        : { start: 0, end: undefined, total: length };
    const { start, total } = range;
    if (!first && this.total !== undefined && total !== undefined && total !== this.total)
      throw changed(this.progress(end), `it is ${total} bytes long and was ${this.total}`);
    if (!body) {
      if (total === 0) return undefined;
      throw odd(this.progress(end), `answered ${status} without a body`);
    }
    this.total ??= encoding === 'identity' ? total : undefined;
    if (first) {
      this.version = version;
      this.#encoded = encoding !== 'identity';
      this.contentType = (headers.get('content-type') ?? '').split(';')[0].trim().toLowerCase();
    }
    this.#countAgain(end - start, end);
    if (typeof body.getReader !== 'function')
      throw new Final(new OptionError(`${this.name}: \`fetch\` gives a body that is no stream`));
    return { start, end: range.end, body };
  }

  /** Which part of the file a 206 brings, and of how many bytes it is one. */
  #rangeOf(
    headers: Headers,
    answer: { encoding: string; length: number | undefined; asked: number; end: number },
  ): { start: number; end: number | undefined; total: number | undefined } {
    const { encoding, length, asked, end } = answer;
    const range = contentRange(headers);
    if (encoding !== 'identity') {
      this.#ranges = false;
      throw new Fault('a part came compressed', 'always', TRY_LATER);
    }
    // other origins may hide Content-Range: then the length must tell
    const start = range?.start ?? asked;
    const total = range?.total ?? (length === undefined ? undefined : start + length);
    const refuse = (what: string): never => {
      throw odd(this.progress(end), what);
    };
    if (range && range.start === undefined)
      refuse(`answered 206 with Content-Range '${headers.get('content-range')}'`);
    if (!range && (total === undefined || (end > 0 && total !== this.total)))
      refuse('answered 206 without a Content-Range that says which part it is');
    if (start > end) refuse(`sent bytes from ${start}, asked for those from ${asked}`);
    return { start, end: range?.end, total };
  }

  /** 416: the server's file has no byte where we are. */
  #endsAt(end: number, headers: Headers): void {
    const total = contentRange(headers)?.total;
    if (total === undefined) {
      this.#ranges = false;
      throw new Fault('answered 416', 'always', TRY_LATER);
    }
    if (total !== end)
      throw changed(this.progress(end), `it is ${total} bytes long, and ${end} were read`);
    // the length it told before was wrong; this is the end
    this.total = total;
  }

  #countAgain(bytes: number, end: number): void {
    this.#sentAgain += Math.max(0, bytes);
    if (this.#sentAgain > MOST_SENT_AGAIN * Math.max(end, SENT_AGAIN_BYTES))
      throw odd(
        this.progress(end),
        'sends the file from its beginning each time (it takes no ranges)',
      );
  }
}
