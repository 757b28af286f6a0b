// The errors that end a download, each with what to do about it.
import { ModelFormatError, NetworkError, OptionError } from '../../errors.ts';
import { Fault, TRY_LATER } from './faults.ts';
import { retryAfterMs } from './http-headers.ts';
import { maskCause } from './mask.ts';
import { LONGEST_DELAY_MS, type Retries } from './retries.ts';

/** An error that no further try mends. */
export class Final {
  readonly error: Error;
  constructor(error: Error) {
    this.error = error;
  }
}

/** How far a download came. */
export interface Progress {
  readonly name: string;
  /** Bytes that came, and bytes of the whole file where a server said it. */
  readonly end: number;
  readonly total?: number;
}

const reached = ({ end, total }: Progress) =>
  `byte ${end}${total === undefined ? '' : ` of ${total}`}`;

/** The file is another than the one whose first bytes came. */
export const changed = (progress: Progress, how: string): Final =>
  new Final(
    new NetworkError(
      `${progress.name}: the file changed while it was read, at ${reached(progress)}: ${how}. ` +
        'Load it again',
    ),
  );

/** A server does what HTTP does not allow, or what cannot be gone on from. */
export const odd = (progress: Progress, what: string): Final =>
  new Final(
    new NetworkError(
      `${progress.name}: the server ${what}, at ${reached(progress)}: load from another ` +
        `server, or download the file and load that`,
    ),
  );

/** What a status means that comes without the file. */
export function refused({ name, end }: Progress, response: Response): Fault | Final {
  const { status, statusText, headers } = response;
  const said = `answered ${status}${statusText ? ` ${statusText}` : ''}`;
  if (status === 429 || status === 408 || status === 425 || status >= 500)
    return new Fault(said, 'always', TRY_LATER, { waitMs: retryAfterMs(headers) });
  const place = end === 0 ? '' : ` when it was to go on at byte ${end}`;
  const answer = `${name}: ${said}${place}`;
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

/** Throws ModelFormatError where a file begins as a page or a message does. */
export function refusePage(name: string, firstBytes: Uint8Array, contentType: string): void {
  const text = new TextDecoder().decode(firstBytes).trimStart();
  if (text.startsWith('GGUF')) return;
  if (text.startsWith('<') || /html/.test(contentType))
    throw new ModelFormatError(
      `${name}: is a web page (it begins with '${text.slice(0, 15).trim()}'), not a GGUF ` +
        'file: a login, an error, or a page about the file. Check that the URL is that of the ' +
        'file itself (on Hugging Face /resolve/, not /blob/), and `headers` if it needs a token',
    );
  if (/json/.test(contentType))
    throw new ModelFormatError(
      `${name}: is ${contentType}, not a GGUF file: check that the URL is that of ` +
        `the file itself`,
    );
}

const causeOf = ({ cause }: Fault, url: URL) => ({
  cause: cause === undefined ? undefined : maskCause(cause, url),
});

/** A blob: or data: URL cannot be read: there is nobody to ask again. */
export const unreadable = (name: string, fault: Fault, url: URL): Error =>
  new OptionError(
    `${name}: ${fault.reason}: it was revoked, is damaged, or belongs to another page or worker`,
    causeOf(fault, url),
  );

/** There will be no further try. */
export function givenUp(progress: Progress, fault: Fault, retries: Retries, url: URL): Error {
  const { reason, advice, waitMs = 0 } = fault;
  const place = progress.end === 0 ? '' : `, at ${reached(progress)}`;
  const tries = retries.attempt === 0 ? '' : `, ${retries.attempt + 1} times`;
  const wait = waitMs > LONGEST_DELAY_MS ? ` and asks to wait ${Math.ceil(waitMs / 1000)} s` : '';
  const what = retries.endsThere
    ? 'it ends there every time, so the length it tells is wrong or its copy was cut off'
    : advice;
  return new NetworkError(
    `${progress.name}: ${reason}${wait}${place}${tries}: ${what}`,
    causeOf(fault, url),
  );
}
