// Who may come in: what a client says of itself, held against the server's model and bounds.
import { OptionError } from '../errors.ts';
import { isTarget } from '../model/adapter/spec.ts';
import type { HalfModel } from './load.ts';
import type { MessageOf } from './messages.ts';
import type { ServerOptions } from './server.ts';
import { VERSION } from './version.ts';

/** Whether two texts are the same, in a time that does not tell where they differ. */
function isSame(found: string, expected: string): boolean {
  let differences = found.length ^ expected.length;
  for (let i = 0; i < expected.length; i++)
    differences |= expected.charCodeAt(i) ^ found.charCodeAt(i % Math.max(1, found.length));
  return differences === 0;
}

export const wrong = (what: string, found: unknown, expected: unknown, todo: string) =>
  new OptionError(`the server refused: ${what} is ${found}, expected ${expected}: ${todo}`);

/** What every client has as the server has it. Throws OptionError for the first that differs. */
export function checkSame(
  greeting: Pick<MessageOf<'hello'>, 'version' | 'token' | 'fingerprint' | 'cut' | 'labels'>,
  model: HalfModel,
  options: ServerOptions,
): void {
  const { version, token, fingerprint, cut, labels } = greeting;
  if (version !== VERSION)
    throw wrong('the version of the protocol', version, VERSION, 'update the older side');
  if (!isSame(token, options.token))
    throw new OptionError(
      `the server refused: the token is another (${token.length} letters) than the server's: ask ` +
        `who runs it`,
    );
  if (fingerprint !== model.fingerprint)
    throw wrong(`the model's fingerprint`, fingerprint, model.fingerprint, 'use the same file');
  if (cut !== model.cut.cut)
    throw wrong('the cut', cut, model.cut.cut, 'use the same on both sides');
  if (labels !== model.cut.labels)
    throw wrong('who has the labels', labels, model.cut.labels, 'use the same on both sides');
}

/** A client that trains. Throws OptionError for the first thing that is not taken. */
export function checkHello(
  hello: MessageOf<'hello'>,
  model: HalfModel,
  options: ServerOptions,
): void {
  checkSame(hello, model, options);
  const { tokens, rank, targets } = hello;
  if (tokens < 1 || tokens > options.tokens)
    throw wrong('tokens of a batch', tokens, `1 to ${options.tokens}`, 'split long lines');
  if (rank < 1 || rank > options.rank)
    throw wrong('the rank', rank, `1 to ${options.rank}`, 'choose a lower one');
  if (!(hello.alpha > 0)) throw wrong('alpha', hello.alpha, 'a number above 0', 'choose another');
  const odd = targets.split(',').find((target) => !isTarget(target));
  if (odd !== undefined)
    throw wrong(
      'a target',
      `'${odd.slice(0, 20)}'`,
      'a matrix that gets an adapter',
      'leave it out',
    );
}
