// What networks and servers do to a download, in words: which faults pass by themselves and which
// never do, and how URLs are told without what is secret in them. It never fetches anything.
import { runtime } from '#runtime';

/**
 * When a fault is worth another try: 'always'; 'later', where a server of this name has answered
 * before (else a name is wrong or nothing listens, and waiting only hides it); 'once', where the
 * runtime doesn't say what happened; 'never'.
 */
export type Again = 'always' | 'later' | 'once' | 'never';

/** Why a try failed. */
export class Fault {
  readonly reason: string;
  readonly again: Again;
  /** What to do when it does not pass. */
  readonly advice: string;
  /** What the server asks us to wait. */
  readonly waitMs?: number;
  readonly cause?: unknown;

  constructor(
    reason: string,
    again: Again,
    advice: string,
    { waitMs, cause }: { waitMs?: number; cause?: unknown } = {},
  ) {
    this.reason = reason;
    this.again = again;
    this.advice = advice;
    this.waitMs = waitMs;
    this.cause = cause;
  }
}

export const TRY_LATER = 'try again later';

/** What runtimes say (codes of Node's and Bun's, words of Deno's), first match counts. */
const kinds: readonly [RegExp, Again, string, string][] = [
  [/redirect/i, 'never', 'its redirects never end, or lead nowhere', 'check the URL'],
  [
    /bad port|ports? \d+ are blocked/i,
    'never',
    'its port is one that fetch never uses',
    'serve it at another port',
  ],
  [/scheme/i, 'never', 'it leads to something that is not HTTP', 'check the URL'],
  [
    /CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|ERR_TLS|ERR_SSL|EPROTO|certificate/i,
    'never',
    'its TLS certificate or connection is not accepted',
    "check the URL's host, the clock, and which certificates this system trusts",
  ],
  [
    /ENOTFOUND|dns error|failed to lookup|FailedToOpenSocket/i,
    'later',
    'its host is unknown (DNS)',
    'check the host in the URL and the network',
  ],
  [/EAI_AGAIN/, 'always', 'DNS does not answer', 'check the network'],
  [
    /ECONNREFUSED|ConnectionRefused|connection refused/i,
    'later',
    'the connection was refused',
    'check host and port, and that the server runs',
  ],
  [
    /EHOSTUNREACH|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL/,
    'later',
    'its host cannot be reached',
    'check the network',
  ],
  [
    /HPE_|HEADERS_OVERFLOW|does not match the HTTP/,
    'later',
    'what answers does not speak HTTP',
    'check host and port',
  ],
  [/TIMEOUT|ETIMEDOUT|timed? ?out/i, 'always', 'the connection timed out', TRY_LATER],
  [
    /ECONNRESET|UND_ERR|EPIPE|ConnectionClosed|terminated|aborted|clos|connection|decod|end of file/i,
    'always',
    'the connection broke',
    TRY_LATER,
  ],
];

/** What went wrong in fetch, or while its body was read. */
export function faultOf(error: unknown, url: URL): Fault {
  const said: string[] = [];
  let at = error as { code?: unknown; message?: unknown; cause?: unknown; errors?: unknown[] };
  let detail = '';
  for (let depth = 0; depth < 5 && at; depth++) {
    const code = typeof at.code === 'string' ? at.code : undefined;
    const message = typeof at.message === 'string' ? at.message : String(at);
    said.push(code ?? '', message);
    detail = code ?? message;
    at = (at.cause ?? at.errors?.[0]) as typeof at;
  }
  const shown = maskText(detail, url);
  for (const [pattern, again, what, advice] of kinds) {
    // a message of one level alone: 'fetch failed' says nothing, a URL in it could say anything
    if (said.some((text) => pattern.test(text.replaceAll(url.href, ''))))
      return new Fault(`${what} (${shown})`, again, advice, { cause: error });
  }
  return new Fault(
    `it could not be fetched (${shown})`,
    'once',
    opaqueAdvice(url, runtime.baseUrl),
    { cause: error },
  );
}

/** Pages are not told why a fetch failed: what it may be, by what can be seen. */
export function opaqueAdvice(url: URL, base: string | undefined): string {
  const page = base === undefined ? undefined : new URL(base);
  if (!page) return 'check the URL and the network';
  const local = /^(localhost|127\.|\[::1\])/.test(url.host);
  if (page.protocol === 'https:' && url.protocol === 'http:' && !local)
    return 'a page loaded by https may not load by http (mixed content): use an https URL';
  const down = 'the server is down or unknown';
  const policy = "the page's Content-Security-Policy (connect-src) forbids it";
  if (page.origin === url.origin) return `${down}, or ${policy}: the console says which`;
  return (
    `${down}, or it does not let pages of ${page.origin} read it (CORS: it must send ` +
    `Access-Control-Allow-Origin), or ${policy}: the console says which`
  );
}

/** Whether a page asks another origin: what it may send and see is limited then. */
export const isForeign = (url: URL): boolean =>
  runtime.baseUrl !== undefined && new URL(runtime.baseUrl).origin !== url.origin;

/** A URL as it may be shown: no user, no password, no values of a query, no fragment. */
export function maskUrl(url: URL): string {
  if (url.protocol === 'data:') return 'a data: URL';
  if (url.protocol === 'blob:' || url.protocol === 'file:') return url.href;
  return `${url.protocol}//${url.host}${url.pathname}${url.search ? '?***' : ''}`;
}

/** A foreign text without the URL's secrets. */
export function maskText(text: string, url: URL): string {
  const secrets = [
    url.href,
    url.search.slice(1),
    `${url.username}:${url.password}@`,
    url.username,
    url.password,
    ...url.searchParams.values(),
    ...[...url.searchParams.values()].map(encodeURIComponent),
  ];
  const shown = maskUrl(url);
  let masked = text;
  for (const secret of secrets)
    if (secret.length > 3 && secret !== shown)
      masked = masked.replaceAll(secret, secret === url.href ? shown : '***');
  return masked;
}

/** A foreign error that may be shown: itself, or its words where they hold secrets. */
export function maskCause(error: unknown, url: URL): unknown {
  let text = '';
  let at = error as { message?: unknown; stack?: unknown; cause?: unknown } | undefined;
  for (let depth = 0; depth < 5 && at; depth++) {
    text += `${at.message ?? at}\n${at.stack ?? ''}\n`;
    at = at.cause as typeof at;
  }
  if (maskText(text, url) === text) return error;
  const { name = 'Error', message = String(error), code } = error as Error & { code?: unknown };
  const told = Object.assign(new Error(maskText(message, url)), { name });
  return code === undefined ? told : Object.assign(told, { code });
}

/** Milliseconds that a Retry-After asks for; undefined where there is none that can be read. */
export function retryAfterMs(headers: Headers): number | undefined {
  const text = headers.get('retry-after')?.trim();
  if (!text) return undefined;
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const until = Date.parse(text);
  if (Number.isNaN(until)) return undefined;
  const now = Date.parse(headers.get('date') ?? '');
  return Math.max(0, until - (Number.isNaN(now) ? Date.now() : now));
}

/** A body's length as the server tells it; undefined where it doesn't, or it can't be one. */
export function announcedLength(headers: Headers): number | undefined {
  const told = new Set(headers.get('content-length')?.split(/\s*,\s*/));
  const [text = ''] = told;
  if (told.size !== 1 || !/^\d+$/.test(text)) return undefined;
  return Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
}

/** Content-Range: where the part begins and ends (exclusive), and of how many bytes it is one. */
export function contentRange(
  headers: Headers,
): { start?: number; end?: number; total?: number } | undefined {
  const text = headers.get('content-range') ?? '';
  const found = /^bytes\s+(?:(\d+)-(\d+)|\*)\/(\d+|\*)$/i.exec(text.trim());
  if (!found) return undefined;
  const [, first, last, total] = found;
  return {
    start: first === undefined ? undefined : Number(first),
    end: last === undefined ? undefined : Number(last) + 1,
    total: total === '*' ? undefined : Number(total),
  };
}

/** Which version of a file an answer is. */
export interface Version {
  readonly etag?: string;
  readonly modified?: string;
  /** Whether the date can tell two versions apart: it is older than the answer by a second. */
  readonly dated: boolean;
}

export function versionOf(headers: Headers): Version {
  const modified = headers.get('last-modified') ?? undefined;
  const age = Date.parse(headers.get('date') ?? '') - Date.parse(modified ?? '');
  return { etag: headers.get('etag') ?? undefined, modified, dated: age >= 1000 };
}

/** What If-Range may say: weak tags stand for files that are alike, not for equal bytes. */
export const ifRange = ({ etag, modified, dated }: Version): string | undefined =>
  etag && !etag.startsWith('W/') ? etag : dated ? modified : undefined;

/** How two versions differ, in words; undefined where nothing says that they do. */
export function differs(before: Version, now: Version): string | undefined {
  const plain = (tag: string) => tag.replace(/^W\//, '');
  if (before.etag && now.etag) {
    if (plain(before.etag) === plain(now.etag)) return undefined;
    return `its ETag was ${before.etag} and is ${now.etag}`;
  }
  if (before.modified && now.modified && before.modified !== now.modified)
    return `it is of '${now.modified}' and was of '${before.modified}'`;
  return undefined;
}
