// What callers tell a download (the options of loadModel() that are about URLs), and what it tells
// them.
import * as kinds from '../../options/kinds.ts';
import { option, type OptionsOf } from '../../options/table.ts';

/** Headers as fetch takes them. */
export type LoadHeaders = Headers | Readonly<Record<string, string>> | [string, string][];
/** What fetches: the platform's fetch, or what behaves like it. */
export type LoadFetch = (
  url: string,
  init?: {
    /** HEAD is what a copy in the cache is checked by. */
    method?: 'GET' | 'HEAD';
    headers?: LoadHeaders;
    signal?: AbortSignal | null;
    redirect?: 'follow';
  },
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

const headers = kinds.custom('headers as fetch takes them', (_, value) => value as LoadHeaders);

export const downloadTable = {
  /**
   * From a URL: milliseconds without an answer, or without a byte of it, after which it is asked
   * for again. Default 30000; Infinity waits.
   */
  stallMs: option(
    kinds.either(kinds.number(1, Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY),
    {
      default: 30_000,
      summary: 'milliseconds without a byte after which a server is asked again',
    },
  ),
  /**
   * From a URL: how often it is asked again without a byte between, when a connection breaks or
   * stalls or the server answers 429 or 5xx; each time from where it stopped. Default 5; 0: never.
   */
  retries: option(kinds.whole(0, 100), {
    default: 5,
    summary: 'how often a server is asked again without a byte between',
  }),
  /**
   * Milliseconds before the first of them, about; each waits twice as long, up to 60 s. Default
   * 500.
   */
  retryDelayMs: option(kinds.number(0, 60_000), {
    default: 500,
    summary: 'milliseconds before the first of them; each waits twice as long',
  }),
  /** Called before each of them. */
  onRetry: option(kinds.callback<(retry: LoadRetry) => void>(), {
    summary: 'called before each of them',
  }),
  /**
   * From a URL, in a browser: keep what was downloaded, and load it from there the next time
   * (docs/loading.md). Default false.
   */
  cache: option(kinds.flag, {
    default: false,
    summary: 'in a browser: keep what was downloaded for the next load',
  }),
  /** From a URL: sent with every request, a token for instance. */
  headers: option(headers, { summary: 'sent with every request' }),
  /** From a URL: what fetches it. Default: the platform's. */
  fetch: option(kinds.callback<LoadFetch>(), {
    otherwise: "the platform's",
    summary: 'what fetches a URL',
  }),
  /** Aborts the load; everything is freed and the promise rejects with the signal's reason. */
  signal: option(kinds.signal, { summary: 'aborts the load' }),
};

export interface DownloadOptions extends OptionsOf<typeof downloadTable> {}
