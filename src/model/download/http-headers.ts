// What the headers of an answer say of a file: how long it is, which part comes, which version it
// is, when to ask again. Foreign data: what cannot be read counts as not said.

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
