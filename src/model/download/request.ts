// The requests of a download: whom they ask, with which headers, for which bytes. It judges no
// answer and never tries again.
import { runtime } from '#runtime';
import { OptionError, UnsupportedError } from '../../errors.ts';
import { ifRange, type Version } from './http-headers.ts';
import { maskUrl } from './mask.ts';
import type { DownloadOptions, LoadFetch, LoadHeaders } from './options.ts';

export class FileRequest {
  /** As the user gave it. */
  readonly url: URL;
  /** The URL without its secrets. */
  readonly name: string;
  /** blob: and data: URLs: nobody to ask again. */
  readonly local: boolean;
  /** What is fetched: no user, no password, no fragment. */
  readonly #target: string;
  readonly #fetch: LoadFetch;
  readonly #headers: Headers;

  constructor(url: URL, options: DownloadOptions) {
    this.url = url;
    this.name = maskUrl(url);
    this.local = !/^https?:$/.test(url.protocol);
    // taken off the options: fetch called as a method of anything else is refused by browsers
    const fetcher = options.fetch ?? globalThis.fetch;
    if (typeof fetcher !== 'function')
      throw new UnsupportedError(`${this.name}: this runtime has no fetch: give one by option`);
    this.#fetch = fetcher;
    this.#headers = readHeaders(options.headers);
    const target = new URL(url);
    target.hash = '';
    if (!this.local) {
      // fetch refuses URLs with a user; what it means is this header
      if ((url.username || url.password) && !this.#headers.has('authorization'))
        this.#headers.set('authorization', basic(url));
      target.username = '';
      target.password = '';
      if (!this.#headers.has('accept-encoding')) this.#headers.set('accept-encoding', 'identity');
    }
    this.#target = target.href;
  }

  /** Asks for the whole file, or for what a version of it has from `offset` on. */
  async send(offset: number, version: Version | undefined, signal: AbortSignal): Promise<Response> {
    const headers = new Headers(this.#headers);
    if (offset > 0) {
      headers.set('range', `bytes=${offset}-`);
      const only = version && ifRange(version);
      // not a header that other origins allow unasked
      if (only && !isForeign(this.url)) headers.set('if-range', only);
    }
    const fetcher = this.#fetch;
    return fetcher(this.#target, { headers, signal, redirect: 'follow' });
  }

  /** Asks what the file is now: by its head alone, or, where that is refused, by one byte. */
  async look(method: 'HEAD' | 'GET', signal: AbortSignal): Promise<Response> {
    const headers = new Headers(this.#headers);
    if (method === 'GET') headers.set('range', 'bytes=0-0');
    const fetcher = this.#fetch;
    return fetcher(this.#target, { method, headers, signal, redirect: 'follow' });
  }
}

/** Whether a page asks another origin: what it may send and see is limited then. */
const isForeign = (url: URL): boolean =>
  runtime.baseUrl !== undefined && new URL(runtime.baseUrl).origin !== url.origin;

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
