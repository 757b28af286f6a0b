// URLs, texts and errors of a download as they may be shown: without users, passwords, tokens and
// signatures.

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
