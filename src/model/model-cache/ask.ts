// What a server says of a file now, without sending it: whether a copy is still the file.
import { RecollectError } from '../../errors.ts';
import {
  differs,
  announcedLength,
  contentRange,
  type Version,
  versionOf,
} from '../download/http-headers.ts';
import { Final, refused } from '../download/failures.ts';
import { Fault, faultOf } from '../download/faults.ts';
import type { DownloadOptions } from '../download/options.ts';
import { FileRequest } from '../download/request.ts';
import { Wait } from '../download/wait.ts';
import type { Entry } from './entry.ts';

/** A server is asked once, and not for long: there is a copy to go on with. */
const LONGEST_WAIT_MS = 10_000;

export interface Told {
  readonly version: Version;
  /** Bytes of the file, where it says so. */
  readonly totalBytes?: number;
}
/** Why nobody answered. */
export interface Silence {
  readonly why: string;
}

/**
 * Throws OptionError where a server refuses the file or has none, the signal's reason when aborted.
 */
export async function askServer(url: URL, options: DownloadOptions): Promise<Told | Silence> {
  const request = new FileRequest(url, options);
  const control = new AbortController();
  const wait = new Wait(options.signal);
  const ms = Math.min(options.stallMs ?? LONGEST_WAIT_MS, LONGEST_WAIT_MS);
  try {
    // some servers know no HEAD, or do not allow it: these are asked for a byte
    for (let method: 'HEAD' | 'GET' = 'HEAD'; ; method = 'GET') {
      const asked = request.look(method, control.signal);
      const response = await wait.until(asked, ms, 'no answer came');
      void response.body?.cancel().catch(() => {});
      const { status, headers } = response;
      if (status === 200 || status === 206) return toldBy(status, headers);
      const fault = refused({ name: request.name, end: 0 }, response);
      if (!(fault instanceof Final)) return { why: fault.reason };
      if (method === 'GET') throw fault.error;
    }
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason;
    if (error instanceof RecollectError) throw error;
    return { why: (error instanceof Fault ? error : faultOf(error, url)).reason };
  } finally {
    wait.close();
    control.abort();
  }
}

function toldBy(status: number, headers: Headers): Told {
  const isPlain = (headers.get('content-encoding') ?? 'identity') === 'identity';
  const totalBytes = status === 206 ? contentRange(headers)?.total : announcedLength(headers);
  return { version: versionOf(headers), totalBytes: isPlain ? totalBytes : undefined };
}

/** Whether a server's file is the one that an entry is of, as far as tags, dates, lengths tell. */
export function isSame({ version, totalBytes }: Entry, told: Told): boolean {
  const isTold =
    (version.etag !== undefined && told.version.etag !== undefined) ||
    (version.modified !== undefined && told.version.modified !== undefined);
  return (
    isTold &&
    differs(version, told.version) === undefined &&
    (told.totalBytes ?? totalBytes) === totalBytes
  );
}
