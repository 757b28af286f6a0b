// What makes a try of a download fail, in words: what runtimes report, which of it passes by itself
// and which never does. Answers of servers are judged in remote-file.ts.
import { runtime } from '#runtime';
import { maskText } from './mask.ts';

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
