// Parts of a model from servers: what each is told.
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

test.run();
