// Adapters from URLs: fetched once, PEFT's configuration beside them, and headers for the server
// that they are for.
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { textLogits } from '../../../src/engine/logits.ts';
import { type LoadOptions, loadModel } from '../../../src/engine/model.ts';
import type { ModelInput } from '../../../src/model/source.ts';
import { fixture } from '../../fixtures.ts';
import { rejects } from '../../rejects.ts';

interface Seen {
  readonly url: string;
  readonly token: string | undefined;
}
interface Context {
  first: { server: Server; base: string; seen: Seen[] };
  second: { server: Server; base: string; seen: Seen[] };
}

/** Serves the fixtures; below /chunked/ without a word on their length. */
async function serve() {
  const seen: Seen[] = [];
  const server = createServer((request: IncomingMessage, response) => {
    const { pathname, search } = new URL(request.url!, 'http://x');
    seen.push({ url: pathname + search, token: request.headers.authorization });
    try {
      const file = readFileSync(fixture(pathname.slice(1).replace('chunked/', '')));
      if (pathname.startsWith('/chunked/')) response.writeHead(200, { etag: '"1"' });
      else response.writeHead(200, { etag: '"1"', 'content-length': file.length });
      for (let at = 0; at < file.length; at += 5000) response.write(file.subarray(at, at + 5000));
      response.end();
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

const test = suite<Context>('adapters from URLs');
test.before.each(async (context) => {
  context.first = await serve();
  context.second = await serve();
});
test.after.each(({ first, second }) => {
  for (const { server } of [first, second]) server.close();
});

const llama = fixture('llama-f32.gguf');
async function top(options: LoadOptions, model: ModelInput = llama) {
  using found = await loadModel(model, { threads: 1, pipeline: 1, ...options });
  return (await textLogits(found, 'Hello world', 50)).top;
}
const paths = (seen: readonly Seen[]) => seen.map(({ url }) => url);

test('each file is fetched once, and gives what the file gives', async ({ first }) => {
  const expected = await top({ adapters: [fixture('adapters/llama-f32-r4.gguf')] });
  for (const place of ['', '/chunked']) {
    const base = `${first.base}${place}/adapters/llama-f32-r4`;
    first.seen.length = 0;
    assert.equal(await top({ adapters: [`${base}.gguf:1`] }), expected);
    assert.equal(paths(first.seen), [`${place}/adapters/llama-f32-r4.gguf`]);
    first.seen.length = 0;
    const source = new URL(`${base}/adapter_model.safetensors?key=1`);
    assert.equal(await top({ adapters: [{ source }] }), expected);
    assert.equal(
      paths(first.seen),
      ['adapter_model.safetensors', 'adapter_config.json'].map(
        (file) => `${place}/adapters/llama-f32-r4/${file}?key=1`,
      ),
    );
  }
});

test("headers for the model's server go to no other", async ({ first, second }) => {
  const headers = { authorization: 'secret' };
  const adapterAt = ({ base }: { base: string }) => [`${base}/adapters/llama-f32-r4.gguf`];
  const tokens = (seen: Seen[]) => seen.splice(0).map(({ token }) => token);
  const model = `${first.base}/llama-f32.gguf`;
  await top({ headers, adapters: adapterAt(second) }, model);
  assert.equal([tokens(first.seen), tokens(second.seen)], [['secret'], [undefined]]);
  await top({ headers, adapters: adapterAt(first) }, model);
  assert.equal(tokens(first.seen), ['secret', 'secret']);
  // a model that comes from no server has none
  await top({ headers, adapters: adapterAt(second) });
  assert.equal(tokens(second.seen), ['secret']);
});

test('what is not there is named, before the model is read', async ({ first }) => {
  const model = `${first.base}/llama-f32.gguf`;
  const lone = { source: `${first.base}/adapters/nowhere/adapter_model.safetensors` };
  await rejects(top({ adapters: [lone] }, model), 'OptionError', /nowhere.*404/);
  const file = readFileSync(fixture('adapters/llama-f32-r4/adapter_model.safetensors'));
  const config = new URL(`${first.base}/none.json`);
  const work = top({ adapters: [{ source: file, config }] }, model);
  await rejects(work, 'OptionError', /none\.json.*404/);
});

test('an abort ends it', async ({ first }) => {
  const signal = AbortSignal.abort(new Error('enough'));
  const adapters = [`${first.base}/adapters/llama-f32-r4.gguf`];
  await rejects(top({ signal, adapters }), 'Error', /enough/);
});
test.run();
