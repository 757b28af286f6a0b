// What callers tell a download, and what it tells them.

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
