// Parts of a model from servers: what each is asked for, and told; a part that is another file by
// the time its tensors are read.
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { textLogits } from '../../src/engine/logits.ts';
import { type LoadOptions, loadModel } from '../../src/engine/model.ts';
import type { ModelFiles } from '../../src/model/source.ts';
import { bundled, tinyModel } from '../fixtures.ts';
import { rejects } from '../rejects.ts';
import { partName, splitModel } from './split-model.ts';

interface Asked {
  readonly no: number;
  readonly range: string | undefined;
  readonly token: string | undefined;
}
type Answer = (asked: Asked, response: ServerResponse, bytes: Uint8Array) => void;
interface Server {
  readonly base: string;
  readonly asked: Asked[];
  answer: Answer;
  close(): void;
}

const parts = splitModel(readFileSync(bundled('recollect-tiny.gguf')));
const places = ({ base }: Server) => parts.map((_, no) => `${base}/${partName(no)}?key=1`);

/** As a plain file server answers, `version` in its headers. */
const send =
  (version: Record<string, string>): Answer =>
  ({ range }, response, bytes) => {
    const from = Number(/\d+/.exec(range ?? '0'));
    const place = { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
    const length = { 'content-length': bytes.length - from };
    response.writeHead(from > 0 ? 206 : 200, { ...version, ...length, ...(from > 0 && place) });
    response.end(bytes.subarray(from));
  };

async function serve(): Promise<Server> {
  const server = createServer(({ url = '', headers }: IncomingMessage, response) => {
    const no = parts.findIndex((_, n) => url === `/${partName(n)}?key=1`);
    const asked = { no, range: headers.range, token: headers.authorization };
    served.asked.push(asked);
    if (no < 0) response.writeHead(404).end();
    else served.answer(asked, response, parts[no]);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const served: Server = {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: [],
    answer: send({ etag: '"1"' }),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
  return served;
}

const test = suite<{ first: Server; second: Server }>('parts from URLs');
test.before.each(async (context) => {
  context.first = await serve();
  context.second = await serve();
});
test.after.each(({ first, second }) => {
  first.close();
  second.close();
});

async function logitsOf(input: ModelFiles, options: LoadOptions = {}) {
  const common = { threads: 1, pipeline: 1, retryDelayMs: 1 } as const;
  using model = await loadModel(input, { ...common, ...options });
  return (await textLogits(model, 'Anna went', 20)).top;
}
const whole = async () => (await textLogits(await tinyModel(), 'Anna went', 20)).top;

test('the first tells the others, and no byte of a header is asked for twice', async ({
  first,
}) => {
  // the second part is refused once for the moment
  first.answer = (asked, response, bytes) => {
    const isBusy = asked.no === 1 && first.asked.filter(({ no }) => no === 1).length === 1;
    if (isBusy) response.writeHead(503).end();
    else send({ etag: '"1"' })(asked, response, bytes);
  };
  assert.equal(await logitsOf(places(first)[0]), await whole());
  assert.equal(
    first.asked.map(({ no }) => no),
    [0, 1, 1, 2, 1, 2],
  );
  const [again, last] = first.asked.slice(-2).map(({ range }) => Number(/\d+/.exec(range ?? '')));
  for (const from of [again, last]) assert.ok(from >= 1 << 18 && from < 1 << 19, `${from}`);
});

test("headers for the first part's server go to no other", async ({ first, second }) => {
  const headers = { authorization: 'secret' };
  const tokens = ({ asked }: Server) => [...new Set(asked.splice(0).map(({ token }) => token))];
  const [a, b, c] = places(first);
  await logitsOf(a, { headers });
  assert.equal(tokens(first), ['secret']);
  const list = [a, new URL(places(second)[1]), c];
  assert.equal(await logitsOf(list, { headers }), await whole());
  assert.equal([tokens(first), tokens(second)], [['secret'], [undefined]]);
  // a copy of the first part that lies here has no server: that of the first URL is the model's
  await logitsOf([new File([parts[0]], partName(0)), b, places(second)[2]], { headers });
  assert.equal([tokens(first), tokens(second)], [['secret'], [undefined]]);
  // the same where headers tell which part is which, and for an adapter from elsewhere
  const adapters = [`${second.base}/none.gguf`];
  const asBlob = new Blob([parts[2]]);
  const work = logitsOf([asBlob, b, a], { headers, adapters });
  await rejects(work, 'OptionError', /none\.gguf.*404/);
  assert.equal([tokens(first), tokens(second)], [['secret'], [undefined]]);
});

test('a part that is another file by the time its tensors are read is named', async ({ first }) => {
  const other = parts[1].slice();
  for (let at = 300_000; at < other.length; at++) other[at] ^= 1;
  // (what came before is compared where no version is told)
  for (let at = 100; at < 300_000; at++) other[at] ^= 1;
  const longer = new Uint8Array([...parts[1], ...new Uint8Array(64)]);
  const cases: [Record<string, string>, Record<string, string>, Uint8Array, RegExp][] = [
    [{ etag: '"1"' }, { etag: '"2"' }, other, /ETag was "1" and is "2"/],
    [{ etag: '"1"' }, { etag: '"1"' }, longer, /it is \d+ bytes long and was \d+/],
    [{}, {}, longer, /it is \d+ bytes long and was \d+/],
    [{}, {}, other, /byte \d+ is another now/],
  ];
  for (const [before, after, body, pattern] of cases) {
    first.asked.length = 0;
    first.answer = (asked, response, bytes) => {
      const isLater = asked.no === 1 && first.asked.filter(({ no }) => no === 1).length > 1;
      send(isLater ? after : before)(asked, response, isLater ? body : bytes);
    };
    const failed = await logitsOf(places(first)[0]).catch((error: Error) => error);
    assert.is((failed as Error).name, 'NetworkError');
    const { message } = failed as Error;
    assert.match(message, /m-00002-of-00003\.gguf\S*: the file changed while it was read/);
    assert.match(message, pattern);
  }
});

test.run();
