// Where a model's bytes come from: servers that break, stall, refuse, lie and change their files
// while they are read, and every kind of input. Real servers, limits of milliseconds.
import { execFile } from 'node:child_process';
import { mkdtempSync, openAsBlob, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createSocketServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { loadModel } from '../../src/engine/model.ts';
import { textLogits } from '../../src/engine/logits.ts';
import { RecollectError } from '../../src/errors.ts';
import { createRandom } from '../../src/math/rng.ts';
import type { DownloadOptions, LoadRetry } from '../../src/model/download/options.ts';
import { type ModelInput, openSource } from '../../src/model/source.ts';
import { bundled, fixture } from '../fixtures.ts';
import { smallLlama, writeGguf } from '../gguf-writer.ts';
import { rejects } from '../rejects.ts';

const test = suite('model source');

const file = readFileSync(fixture('llama-q8_0.gguf'));
const SIZE = file.length;
const quick = { retryDelayMs: 1, stallMs: 150 } satisfies DownloadOptions;

interface Exchange {
  /** From 1. */
  readonly number: number;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** What Range asks to begin at; undefined without one. */
  readonly from?: number;
}
interface Served {
  readonly url: string;
  readonly port: number;
  readonly requests: IncomingMessage[];
}

/** A server as long as `use` runs. */
async function serve<T>(
  answer: (exchange: Exchange) => void,
  use: (served: Served) => Promise<T>,
): Promise<T> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
    answer({
      number: requests.length,
      request,
      response,
      from: range ? Number(range[1]) : undefined,
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    return await use({ url: `http://127.0.0.1:${port}/m.gguf`, port, requests });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

interface Sent {
  /**
   * What of the file, default all that was asked for; after it the connection breaks or stalls
   * there.
   */
  readonly until?: number;
  readonly finish?: 'end' | 'break' | 'stall';
  readonly ranges?: boolean;
  readonly bytes?: Buffer;
  readonly headers?: Record<string, string>;
  /** null: no Content-Length. */
  readonly length?: number | null;
}
/** Answers as a plain file server does, as far as it gets. */
function send(
  { response, from = 0 }: Exchange,
  { until, finish = 'end', ranges = true, bytes = file, headers = {}, length }: Sent = {},
): void {
  const start = ranges ? from : 0;
  const told = length === undefined ? bytes.length - start : length;
  const lengths: Record<string, string> = told === null ? {} : { 'content-length': String(told) };
  const range: Record<string, string> =
    start > 0 ? { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {};
  response.writeHead(start > 0 ? 206 : 200, { ...lengths, ...range, ...headers });
  const part = bytes.subarray(start, until ?? bytes.length);
  if (finish === 'end') response.end(part);
  else response.write(part, () => finish === 'break' && setTimeout(() => response.destroy(), 10));
}

/** Reads all of an input, in pieces that are forgotten. */
async function readAll(
  input: ModelInput,
  options: DownloadOptions = quick,
  piece = 10_000,
): Promise<Buffer> {
  const source = await openSource(input, options);
  try {
    const pieces: Uint8Array[] = [];
    for (let offset = 0; ; offset += piece) {
      source.forget(offset);
      const bytes = await source.read(offset, piece);
      pieces.push(bytes.slice());
      if (bytes.length < piece) return Buffer.concat(pieces);
    }
  } finally {
    await source.close();
  }
}
const same = (read: Buffer, bytes: Uint8Array = file) =>
  assert.ok(read.equals(bytes), `${read.length} bytes, not those of the file`);

const broken = 100_000;
const tag = { etag: '"one"' };
const breaksOnce = (e: Exchange) =>
  send(e, e.number === 1 ? { until: broken, finish: 'break', headers: tag } : { headers: tag });

test('a connection that breaks is continued where it stopped, with an event, if it is the same file', async () => {
  await serve(breaksOnce, async ({ url, requests }) => {
    const retries: LoadRetry[] = [];
    same(
      await readAll(`${url}?token=secret`, { ...quick, onRetry: (retry) => retries.push(retry) }),
    );
    assert.is(requests[1].headers.range, `bytes=${broken}-`);
    assert.is(requests[1].headers['if-range'], '"one"');
    assert.is(retries.length, 1);
    const { attempt, reason, offset, delayMs, url: shown } = retries[0];
    assert.equal([attempt, offset, shown], [1, broken, `${url}?***`]);
    assert.match(reason, /the connection broke \(UND_ERR_SOCKET\)/);
    assert.ok(delayMs >= 0 && delayMs <= 1);
  });
});
test('so is one that stalls, in its body or before its head', async () => {
  await serve(
    (e) => {
      if (e.number === 2) return;
      send(e, e.number === 1 ? { until: broken, finish: 'stall', headers: tag } : { headers: tag });
    },
    async ({ url }) => {
      const reasons: string[] = [];
      same(await readAll(url, { ...quick, onRetry: ({ reason }) => reasons.push(reason) }));
      assert.equal(reasons, ['nothing more came for 150 ms', 'no answer came for 150 ms']);
    },
  );
  await serve(
    () => {},
    async ({ url }) => {
      await rejects(
        readAll(url, { ...quick, retries: 1 }),
        'NetworkError',
        /m\.gguf: no answer came for 150 ms, 2 times: try again later/,
      );
    },
  );
});
test('429 and 5xx are asked again, as late as they say', async () => {
  for (const [status, after, least] of [
    [503, '0', 0],
    [429, '1', 1000],
    [500, 'Thu, 01 Jan 1970 00:00:00 GMT', 0],
    [502, 'soon', 0],
    [504, undefined, 0],
  ] as const)
    await serve(
      (e) => {
        if (e.number > 1) send(e);
        else
          e.response
            .writeHead(status, after === undefined ? {} : { 'retry-after': after })
            .end('busy');
      },
      async ({ url, requests }) => {
        const begin = performance.now();
        let delay = -1;
        same(await readAll(url, { ...quick, onRetry: ({ delayMs }) => (delay = delayMs) }));
        assert.is(requests.length, 2);
        assert.ok(delay >= least && performance.now() - begin >= least, `${status}: ${delay} ms`);
      },
    );
  await serve(
    ({ response }) => response.writeHead(503, { 'retry-after': '86400' }).end(),
    async ({ url, requests }) => {
      await rejects(
        readAll(url),
        'NetworkError',
        /answered 503 Service Unavailable and asks to wait 86400 s/,
      );
      assert.is(requests.length, 1);
    },
  );
});
test('tries are counted from the last byte that came, and end', async () => {
  const step = Math.ceil(SIZE / 12);
  await serve(
    (e) =>
      send(e, {
        until: (e.from ?? 0) + step,
        finish: (e.from ?? 0) + step < SIZE ? 'break' : 'end',
        headers: tag,
      }),
    async ({ url, requests }) => {
      same(await readAll(url, { ...quick, retries: 1 }));
      assert.is(requests.length, 12);
    },
  );
  for (const retries of [0, 3])
    await serve(
      (e) => send(e, { until: broken, finish: 'break', headers: tag }),
      async ({ url, requests }) => {
        const times = retries === 0 ? '' : ', 4 times';
        const pattern = new RegExp(
          `m\\.gguf: the connection broke \\(\\w+\\), at byte ${broken} of ${SIZE}${times}: try again later`,
        );
        await rejects(readAll(url, { ...quick, retries }), 'NetworkError', pattern);
        assert.is(requests.length, retries + 1);
      },
    );
});
test('a server without ranges sends all again: what is known is skipped', async () => {
  for (const headers of [tag, {}])
    for (const length of [undefined, null])
      await serve(
        (e) =>
          send(e, {
            ranges: false,
            headers,
            length,
            ...(e.number === 1 && { until: broken, finish: 'break' }),
          }),
        async ({ url, requests }) => {
          same(await readAll(url));
          assert.is(requests.length, 2);
        },
      );
  // and where it ends at the same byte each time, that is soon believed
  await serve(
    (e) => send(e, { ranges: false, length: SIZE + 1000, until: SIZE, finish: 'break' }),
    async ({ url, requests }) => {
      await rejects(
        readAll(url),
        'NetworkError',
        /at byte \d+ of \d+, 3 times: it ends there every time, so the length it tells is wrong/,
      );
      assert.is(requests.length, 3);
    },
  );
});
test('another file is never continued', async () => {
  const other = Buffer.from(file);
  other[broken - 1] ^= 1;
  const dates = ['Mon, 01 Jan 2024 00:00:00 GMT', 'Tue, 02 Jan 2024 00:00:00 GMT'];
  const cases: [string, Sent, Sent, RegExp][] = [
    ['tag', { headers: tag }, { headers: { etag: '"two"' } }, /ETag was "one" and is "two"/],
    ['weak tag', { headers: { etag: 'W/"one"' } }, { headers: { etag: 'W/"two"' } }, /ETag was/],
    [
      'date',
      { headers: { 'last-modified': dates[0] } },
      { headers: { 'last-modified': dates[1] } },
      /it is of 'Tue.*and was of 'Mon/,
    ],
    ['tag, whole', { headers: tag }, { headers: { etag: '"two"' }, ranges: false }, /ETag was/],
    [
      'length',
      { headers: tag },
      { headers: tag, bytes: Buffer.concat([file, file]) },
      /it is \d+ bytes long and was \d+/,
    ],
    ['bytes, whole', {}, { ranges: false, bytes: other }, /byte 99999 is another now/],
    ['bytes, its length', {}, { bytes: other }, /byte 99999 is another now/],
    ['bytes, no length', { length: null }, { bytes: other }, /byte 99999 is another now/],
  ];
  for (const [name, before, after, pattern] of cases)
    await serve(
      (e) => send(e, e.number === 1 ? { ...before, until: broken, finish: 'break' } : after),
      async ({ url, requests }) => {
        const message = /m\.gguf: the file changed while it was read, at byte 100000/;
        const failed = await readAll(url).catch((error: Error) => error);
        assert.instance(failed, RecollectError, name);
        assert.match((failed as Error).message, message);
        assert.match((failed as Error).message, pattern, name);
        assert.is(requests.length, 2, name);
      },
    );
});
test('what If-Range may say: strong tags, dates that are old enough', async () => {
  const modified = 'Mon, 01 Jan 2024 00:00:00 GMT';
  for (const [headers, expected] of [
    [{ etag: 'W/"one"' }, undefined],
    [{ etag: 'W/"one"', 'last-modified': modified }, modified],
    [{ 'last-modified': modified }, modified],
    [{ 'last-modified': modified, date: modified }, undefined],
    [{ ...tag, 'last-modified': modified }, tag.etag],
  ] as [Record<string, string>, string | undefined][])
    await serve(
      (e) => send(e, { headers, ...(e.number === 1 && { until: broken, finish: 'break' }) }),
      async ({ url, requests }) => {
        same(await readAll(url));
        assert.is(requests[1].headers['if-range'], expected);
      },
    );
});
test('416: the end of a file whose length was told wrong, another file, or a server that cannot', async () => {
  const first: Sent = { length: SIZE + 1000, until: SIZE, finish: 'break' };
  const refuse = ({ response }: Exchange, range?: string) =>
    response.writeHead(416, range ? { 'content-range': range } : {}).end();
  await serve(
    (e) => (e.number === 1 ? send(e, first) : refuse(e, `bytes */${SIZE}`)),
    async ({ url }) => same(await readAll(url)),
  );
  await serve(
    (e) =>
      e.number === 1 ? send(e, { until: broken, finish: 'break' }) : refuse(e, 'bytes */500'),
    async ({ url }) =>
      rejects(readAll(url), 'NetworkError', /changed.*it is 500 bytes long, and 100000 were read/),
  );
  await serve(
    (e) => {
      if (e.number === 1) send(e, { until: broken, finish: 'break' });
      else if (e.from !== undefined) refuse(e);
      else send(e);
    },
    async ({ url }) => same(await readAll(url)),
  );
});
test('parts that are not those asked for', async () => {
  const part =
    (start: number, headers: Record<string, string>, end = SIZE) =>
    (e: Exchange) => {
      if (e.number === 1) return send(e, { until: broken, finish: 'break', headers: tag });
      e.response.writeHead(206, { ...tag, ...headers }).end(file.subarray(start, end));
    };
  const early = broken - 5000;
  await serve(part(early, { 'content-range': `bytes ${early}-${SIZE - 1}/*` }), async ({ url }) =>
    same(await readAll(url)),
  );
  const late = broken + 5000;
  await serve(
    part(late, { 'content-range': `bytes ${late}-${SIZE - 1}/${SIZE}` }),
    async ({ url }) =>
      rejects(readAll(url), 'NetworkError', /sent bytes from 105000, asked for those from 100000/),
  );
  // a browser may not see Content-Range of another origin: the length tells
  await serve(part(broken, { 'content-length': String(SIZE - broken) }), async ({ url }) =>
    same(await readAll(url)),
  );
  await serve(
    part(broken, { 'content-type': 'multipart/byteranges; boundary=x' }),
    async ({ url }) => rejects(readAll(url), 'NetworkError', /206 without a Content-Range/),
  );
});
test('parts that end where they say are joined without a word', async () => {
  const most = 70_000;
  await serve(
    ({ response, from = 0 }) => {
      const end = Math.min(SIZE, from + most);
      response
        .writeHead(206, {
          ...tag,
          'content-range': `bytes ${from}-${end - 1}/${SIZE}`,
          'content-length': end - from,
        })
        .end(file.subarray(from, end));
    },
    async ({ url, requests }) => {
      same(await readAll(url, { ...quick, retries: 0 }));
      assert.is(requests.length, Math.ceil(SIZE / most));
    },
  );
});
test('a compressed answer is never continued by range: its offsets are others', async () => {
  const packed = gzipSync(file);
  await serve(
    (e) => {
      e.response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': packed.length });
      if (e.number > 1) e.response.end(packed);
      else
        e.response.write(packed.subarray(0, packed.length >> 1), () =>
          setTimeout(() => e.response.destroy(), 10),
        );
    },
    async ({ url, requests }) => {
      const source = await openSource(url, quick);
      assert.is(source.sizeBytes, Number.POSITIVE_INFINITY);
      await source.close();
      requests.length = 0;
      same(await readAll(url));
      assert.ok(requests.every(({ headers }) => headers.range === undefined));
      assert.is(requests[0].headers['accept-encoding'], 'identity');
    },
  );
});
test('whatever happens where, the bytes are those of the file', async () => {
  const random = createRandom(12);
  const pick = <T>(choices: readonly T[]) => choices[Math.floor(random() * choices.length)];
  for (let round = 0; round < 40; round++) {
    const headers = pick<Record<string, string>>([
      tag,
      {},
      { etag: 'W/"w"' },
      { 'last-modified': 'Mon, 01 Jan 2024 00:00:00 GMT' },
    ]);
    const length = pick([undefined, null]);
    let faults = 0;
    await serve(
      (e) => {
        const from = e.from ?? 0;
        if (faults++ > 6 || random() < 0.2)
          return send(e, { headers, length, ranges: random() < 0.7 });
        const until = from + Math.floor(random() * (SIZE - from));
        const what = random();
        if (what < 0.2) e.response.writeHead(pick([429, 500, 503])).end();
        else if (what < 0.3) e.request.socket.destroy();
        else
          send(e, {
            headers,
            length,
            ranges: random() < 0.7,
            until,
            finish: pick(['break', 'break', 'break', 'stall']),
          });
      },
      async ({ url }) =>
        same(
          await readAll(
            url,
            { retryDelayMs: 1, stallMs: 40, retries: 9 },
            1000 + Math.floor(random() * 50_000),
          ),
        ),
    );
  }
});

test('what servers say, and whose turn it is', async () => {
  for (const [status, name, pattern] of [
    [
      401,
      'OptionError',
      /answered 401 Unauthorized: it is not for everybody.*headers: \{ authorization: 'Bearer/,
    ],
    [403, 'OptionError', /answered 403 Forbidden/],
    [404, 'OptionError', /answered 404 Not Found: there is no such file/],
    [410, 'OptionError', /answered 410 Gone/],
    [416, 'OptionError', /answered 416/],
    [418, 'OptionError', /answered 418/],
    [204, 'OptionError', /answered 204 No Content: expected 200/],
    [304, 'OptionError', /answered 304/],
    [500, 'NetworkError', /answered 500 Internal Server Error, 3 times: try again later/],
  ] as const)
    await serve(
      ({ response }) => response.writeHead(status).end(),
      async ({ url, requests }) => {
        await rejects(
          readAll(url, { ...quick, retries: 2 }),
          name,
          new RegExp(`m\\.gguf: ${pattern.source}`),
        );
        assert.is(requests.length, status === 500 ? 3 : 1);
      },
    );
  const bodies: [Record<string, string>, string, RegExp][] = [
    [
      { 'content-type': 'text/html' },
      '<html>log in</html>',
      /is a web page \(it begins with '<html>log in/,
    ],
    [{}, '\n<!DOCTYPE html>', /is a web page/],
    [
      { 'content-type': 'application/json; charset=utf-8' },
      '{"error":1}',
      /is application\/json, not a GGUF file/,
    ],
    [{}, '', /the answer is empty \(0 bytes\)/],
  ];
  for (const [headers, body, pattern] of bodies)
    await serve(
      ({ response }) => response.writeHead(200, headers).end(body),
      async ({ url }) => rejects(readAll(url), 'ModelFormatError', pattern),
    );
  await serve(
    ({ response, request }) => response.writeHead(302, { location: request.url! }).end(),
    async ({ url }) => rejects(readAll(url), 'NetworkError', /its redirects never end/),
  );
});
test('what networks do', async () => {
  const closed = await serve(
    () => {},
    async ({ url }) => url,
  );
  let tries = 0;
  const options = { ...quick, onRetry: () => tries++ };
  await rejects(
    readAll(closed, options),
    'NetworkError',
    /the connection was refused \(ECONNREFUSED\): check host and port/,
  );
  await rejects(
    readAll('http://no-such-host.invalid/m.gguf', { ...options, stallMs: 5000 }),
    'NetworkError',
    /host is unknown \(DNS\) \(ENOTFOUND\)|DNS/,
  );
  await rejects(
    readAll('http://127.0.0.1:1/m.gguf', options),
    'NetworkError',
    /port is one that fetch never uses/,
  );
  await serve(
    (e) => send(e),
    async ({ port }) =>
      rejects(
        readAll(`https://127.0.0.1:${port}/m.gguf`, options),
        'NetworkError',
        /TLS certificate or connection is not accepted/,
      ),
  );
  const speaker = createSocketServer((socket) => socket.end('hello\r\n\r\n'));
  await new Promise<void>((resolve) => speaker.listen(0, '127.0.0.1', resolve));
  const { port } = speaker.address() as AddressInfo;
  await rejects(
    readAll(`http://127.0.0.1:${port}/m.gguf`, options),
    'NetworkError',
    /does not speak HTTP/,
  );
  speaker.close();
  assert.is(tries, 0, 'waiting would not help');
  // but where a server has answered before, it may come back
  await serve(
    ({ request }) => request.socket.destroy(),
    async ({ url }) =>
      rejects(
        readAll(url, { ...options, retries: 2 }),
        'NetworkError',
        /the connection broke.*3 times/,
      ),
  );
});
test('secrets of a URL are sent, never shown', async () => {
  const shown: string[] = [];
  const show = (error: unknown) => {
    for (let at = error as Error | undefined; at; at = at.cause as Error | undefined)
      shown.push(String(at.message), String(at.stack));
  };
  await serve(
    (e) =>
      e.number === 1
        ? send(e, { until: broken, finish: 'break' })
        : e.response.writeHead(403).end(),
    async ({ port, requests }) => {
      const url = `http://us%C3%ABr:pass-w0rd@127.0.0.1:${port}/m.gguf?token=t0ken-value&x=1#fragment-5`;
      const onRetry = (retry: LoadRetry) => shown.push(JSON.stringify(retry));
      await readAll(url, { ...quick, onRetry }).catch(show);
      assert.is(
        Buffer.from(requests[0].headers.authorization!.slice(6), 'base64').toString(),
        'usër:pass-w0rd',
      );
      assert.is(requests[0].url, '/m.gguf?token=t0ken-value&x=1');
      await readAll(url, {
        ...quick,
        retries: 0,
        fetch: () =>
          Promise.reject(
            new TypeError(`cannot fetch ${url}`, { cause: new Error('t0ken-value was refused') }),
          ),
      }).catch(show);
    },
  );
  for (const bad of [
    'http://us%C3%ABr:pass-w0rd@:80/?token=t0ken-value',
    'https://usër:pass-w0rd@127.0.0.1:1/?token=t0ken-value',
  ])
    await readAll(bad).catch(show);
  await readAll('http://127.0.0.1:9/', {
    headers: { authorization: 'Bearer t0ken-value\n' },
  }).catch(show);
  assert.ok(shown.length > 8);
  for (const text of shown) assert.not.match(text, /pass-w0rd|t0ken-value|us%C3%ABr|fragment-5/);
});

const reason = new Error('enough');
/** Aborts after a while, and expects the reason at once. */
async function aborts(open: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const abort = new AbortController();
  let at = 0;
  setTimeout(() => {
    at = performance.now();
    abort.abort(reason);
  }, 50);
  const error = await open(abort.signal).then(
    () => 'it ended',
    (caught) => caught,
  );
  assert.is(error, reason);
  assert.ok(performance.now() - at < 1000, `${performance.now() - at} ms later`);
}
test('an abort ends every wait at once, with its reason', async () => {
  const patient = { stallMs: 60_000, retryDelayMs: 50_000 };
  const never = () => new Promise<never>(() => {});
  await serve(
    () => {},
    async ({ url }) => aborts((signal) => readAll(url, { ...patient, signal })),
  );
  await serve(
    (e) => send(e, { until: broken, finish: 'stall' }),
    async ({ url }) => {
      await aborts((signal) => readAll(url, { ...patient, signal }));
      for (const pipeline of [1, 2])
        await aborts((signal) => loadModel(url, { ...patient, signal, pipeline, threads: 1 }));
    },
  );
  await serve(
    ({ response }) => response.writeHead(503).end(),
    async ({ url }) => aborts((signal) => readAll(url, { ...patient, signal })),
  );
  // a fetch, or a Blob, that knows no signals
  await aborts((signal) => readAll('http://127.0.0.1:9/', { ...patient, signal, fetch: never }));
  const stuck = new Blob([file]);
  Object.defineProperty(stuck, 'slice', { value: () => ({ arrayBuffer: never }) });
  await aborts((signal) => readAll(stuck, { signal }));
  const signal = AbortSignal.abort(reason);
  assert.is(await readAll('http://127.0.0.1:9/', { signal }).catch((e) => e), reason);
});
test('nothing keeps the process alive after a load that failed, was aborted, or is done before the end', async () => {
  const index = new URL('../../src/model/source.js', import.meta.url).href;
  await serve(
    (e) => {
      if (e.request.url === '/stall') send(e, { until: broken, finish: 'stall' });
      else if (e.request.url === '/busy') e.response.writeHead(503).write('never ends');
      else send(e);
    },
    async ({ port }) => {
      const code = `
        import { openSource } from '${index}';
        const at = 'http://127.0.0.1:${port}/';
        const said = [];
        const abort = new AbortController();
        const patient = { stallMs: 60000, retryDelayMs: 60000 };
        const stalled = await openSource(at + 'stall', { ...patient, signal: abort.signal });
        setTimeout(() => abort.abort(new Error('aborted')), 50);
        await stalled.read(0, ${SIZE}).catch((e) => said.push(e.message));
        await openSource(at + 'busy', { retries: 0 }).catch((e) => said.push(e.name));
        await openSource(at + 'busy', { ...patient, signal: AbortSignal.timeout(50) }).catch((e) => said.push(e.name));
        const open = await openSource(at + 'good');
        await open.read(0, 100);
        await open.close();
        console.log(said.join());`;
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ['--input-type=module', '-e', code],
        { timeout: 15_000 },
      );
      assert.is(stdout.trim(), 'aborted,NetworkError,TimeoutError');
    },
  );
});

test('a header that lies reserves nothing where no length tells', async () => {
  const spec = smallLlama();
  const [D, F] = [1024, 262144];
  const shapeOf = (name: string, shape: readonly (number | bigint)[]) => {
    if (/ffn_(gate|up)/.test(name)) return [D, F];
    if (name.includes('ffn_down')) return [F, D];
    return name.includes('attn_output') ? [8, D] : [D, ...shape.slice(1)];
  };
  // 1.5 GB of half floats, the largest first, in a file of some KB
  const size = (name: string) => (/ffn_(gate|up|down)/.test(name) ? 0 : 1);
  const sorted = [...spec.tensors].sort((a, b) => size(a.name) - size(b.name));
  let offset = 0;
  const lying = writeGguf({
    metadata: {
      ...spec.metadata,
      'llama.embedding_length': D,
      'llama.attention.key_length': 4,
      'llama.feed_forward_length': F,
    },
    tensors: sorted.map((tensor) => {
      const shape = shapeOf(tensor.name, tensor.shape);
      const at = offset;
      offset += 2 * shape.map(Number).reduce((a, b) => a * b);
      return { ...tensor, type: 1, shape, offset: at };
    }),
  });
  const { grow } = WebAssembly.Memory.prototype;
  let pages = 0;
  WebAssembly.Memory.prototype.grow = function (delta) {
    pages += delta;
    return grow.call(this, delta);
  };
  try {
    for (const length of [null, 1e15])
      await serve(
        ({ response }) => {
          response.writeHead(200, length === null ? {} : { 'content-length': length });
          response.write(lying, () =>
            length === null ? response.end() : setTimeout(() => response.destroy(), 10),
          );
        },
        async ({ url }) => {
          const backend = createWasmBackend({ threads: 1 });
          const error = await loadModel(url, { ...quick, retries: 1, device: backend }).catch(
            (e) => e,
          );
          assert.instance(error, RecollectError);
          assert.match(
            error.message,
            length === null ? /ends inside tensor|cut off/ : /the connection broke/,
          );
          assert.is(backend.arena.usedBytes, 0);
        },
      );
    assert.ok(pages * 65536 < 8e6, `${pages} pages were reserved`);
  } finally {
    WebAssembly.Memory.prototype.grow = grow;
  }
});
test('however long a file is, little of it is held', async () => {
  const size = 96 << 20;
  const block = Buffer.alloc(1 << 20, 7);
  await serve(
    async ({ response }) => {
      response.writeHead(200, { 'content-length': size });
      for (let sent = 0; sent < size; sent += block.length)
        if (!response.write(block)) await new Promise((resolve) => response.once('drain', resolve));
      response.end();
    },
    async ({ url }) => {
      const source = await openSource(url, { ...quick, stallMs: 5000 });
      // What is garbage already does not count, and the collector gives buffers back on a thread of
      // its own, some time after it ran.
      setFlagsFromString('--expose-gc');
      const collect = runInNewContext('gc') as () => void;
      const held = async () => {
        let least = Number.POSITIVE_INFINITY;
        for (let look = 0; look < 5; look++) {
          collect();
          await new Promise((resolve) => setTimeout(resolve, 10));
          least = Math.min(least, process.memoryUsage().arrayBuffers);
        }
        return least;
      };
      const before = await held();
      let most = 0;
      // a piece, then a gap that nobody wants
      for (let offset = 0; offset < size; offset += 24 << 20) {
        source.forget(offset);
        assert.is((await source.read(offset, 1 << 20)).length, 1 << 20);
        most = Math.max(most, (await held()) - before);
      }
      await source.close();
      assert.ok(most < size / 8, `${most} of ${size} bytes`);
    },
  );
});

test('headers and fetch of the user', async () => {
  await serve(breaksOnce, async ({ url, requests }) => {
    const asked: string[] = [];
    const given: typeof fetch = function (this: unknown, input, init) {
      assert.is(this, undefined, 'browsers refuse to fetch for anything else');
      asked.push(String(input));
      return fetch(input, init);
    };
    same(await readAll(url, { ...quick, fetch: given, headers: { Authorization: 'Bearer abc' } }));
    assert.equal(asked, [url, url]);
    assert.equal(
      requests.map(({ headers }) => headers.authorization),
      ['Bearer abc', 'Bearer abc'],
    );
  });
  const url = 'http://127.0.0.1:9/m.gguf';
  await rejects(
    readAll(url, { headers: { range: 'bytes=0-5' } }),
    'OptionError',
    /'range' is set by the load itself/,
  );
  await rejects(
    readAll(url, { fetch: (async () => 'text') as never }),
    'OptionError',
    /`fetch` gave no Response/,
  );
  await rejects(
    readAll(url, {
      fetch: (async () => ({ status: 200, headers: new Headers(), body: 'text' })) as never,
    }),
    'OptionError',
    /no stream/,
  );
  const own = () => {
    throw new Error('my own failure');
  };
  await rejects(
    readAll(url, { ...quick, fetch: own }),
    'NetworkError',
    /could not be fetched \(my own failure\), 2 times/,
  );
});
test('options that cannot be meant are refused', async () => {
  for (const [options, pattern] of [
    [{ retries: -1 }, /retries is -1, expected a whole number from 0 to 100/],
    [{ retries: 1.5 }, /retries is 1.5/],
    [{ retries: '3' }, /retries is '3'/],
    [{ stallMs: 0 }, /stallMs is 0/],
    [{ stallMs: Number.NaN }, /stallMs is NaN/],
    [{ retryDelayMs: Number.POSITIVE_INFINITY }, /retryDelayMs is Infinity/],
    [{ stallMs: null }, /stallMs is null, expected a number from 1, or Infinity/],
    [{ fetch: 'x' }, /fetch is 'x', expected a function/],
    [{ onRetry: 5 }, /onRetry is 5, expected a function/],
  ] as [object, RegExp][])
    await rejects(loadModel(file, options), 'OptionError', pattern);
  await serve(
    (e) => send(e, { until: broken, finish: 'stall' }),
    async ({ url }) => {
      // a timer that long would fire at once
      const abort = AbortSignal.timeout(100);
      await rejects(
        readAll(url, { stallMs: 1e12, signal: abort, onRetry: () => assert.unreachable() }),
        'TimeoutError',
        /./,
      );
    },
  );
  const thrown = new Error('mine');
  await serve(
    ({ response }) => response.writeHead(503).end(),
    async ({ url }) => {
      const onRetry = () => {
        throw thrown;
      };
      assert.is(await readAll(url, { ...quick, onRetry }).catch((e) => e), thrown);
    },
  );
});

test('bytes of every kind', async () => {
  const padded = new Uint8Array(SIZE + 16);
  padded.set(file, 8);
  const shared = new SharedArrayBuffer(SIZE);
  new Uint8Array(shared).set(file);
  const foreign = runInNewContext('new Uint8Array(n).buffer', { n: SIZE }) as ArrayBuffer;
  new Uint8Array(foreign).set(file);
  const whole = padded.slice(8, 8 + SIZE);
  for (const input of [
    file,
    padded.subarray(8, 8 + SIZE),
    whole.buffer,
    new DataView(padded.buffer, 8, SIZE),
    new Uint16Array(whole.buffer, 0, SIZE >> 1),
    new Uint8Array(shared),
    shared,
    foreign,
    new Blob([file]),
    new File([file], 'm.gguf'),
  ])
    same(await readAll(input), file.subarray(0, input instanceof Uint16Array ? SIZE & ~1 : SIZE));
  using model = await loadModel(shared, { threads: 1 });
  assert.ok(model.bytes > 0);
  const source = await openSource(whole);
  structuredClone(whole.buffer, { transfer: [whole.buffer] });
  await rejects(source.read(0, 10), 'OptionError', /were transferred or cut while it was loaded/);
});
test('files under every name, and what is none', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'recollect source '));
  try {
    for (const name of [
      'm.gguf',
      'with space.gguf',
      '100%.gguf',
      '%41.gguf',
      'hash#1?.gguf',
      'größe 模型.gguf',
      'C:\\models\\m.gguf',
      'http:m.gguf'.slice(4),
    ]) {
      const path = join(folder, name);
      writeFileSync(path, file);
      same(await readAll(path));
      same(await readAll(pathToFileURL(path)));
      same(await readAll(pathToFileURL(path).href));
    }
    same(await readAll(new URL(pathToFileURL(fixture('llama-q8_0.gguf')).href)));
    const changing = join(folder, 'changing.gguf');
    writeFileSync(changing, file);
    const blob = await openAsBlob(changing);
    const source = await openSource(blob);
    await source.read(0, 100);
    writeFileSync(changing, Buffer.concat([file, file]));
    await rejects(
      source.read(100, 100),
      'OptionError',
      /cannot be read at byte 100 .*changed, moved or deleted since it was chosen/,
    );
    await rejects(
      readAll(join(folder, 'm.gguf', 'x')),
      'OptionError',
      /leads through something that is no folder/,
    );
    await rejects(readAll(folder), 'OptionError', /is a folder: name a \.gguf file/);
  } finally {
    rmSync(folder, { recursive: true });
  }
  for (const [input, pattern] of [
    ['', /no file at ''/],
    ['C:\\models\\m.gguf', /no file at 'C:\\models\\m.gguf'/],
    ['/dev/null', /no regular file/],
    ['a\0b', /cannot be opened \(ERR_INVALID_ARG_VALUE\)/],
    ['x'.repeat(5000), /longer than names may be/],
    ['file://elsewhere/m.gguf', /cannot be opened \(ERR_INVALID_FILE_URL_HOST\)/],
    ['s3://bucket/m.gguf', /begins with 's3:', expected http:, https:/],
    ['hf://owner/model', /huggingface\.co\/OWNER\/MODEL\/resolve/],
    ['http://', /'http:\/\/' is not a valid URL/],
    [Promise.resolve(file), /found Promise: await it/],
    [new Response('x'), /found Response: pass its URL/],
    [null, /found null/],
    [{}, /found Object/],
    [5, /found number/],
  ] as [never, RegExp][])
    await rejects(readAll(input), 'OptionError', pattern);
});
test('data: and blob: URLs', async () => {
  same(await readAll(`data:application/octet-stream;base64,${file.toString('base64')}`));
  const url = URL.createObjectURL(new Blob([file]));
  same(await readAll(url));
  URL.revokeObjectURL(url);
  await rejects(
    readAll(url),
    'OptionError',
    /^blob:.*it was revoked, is damaged, or belongs to another page/,
  );
  await rejects(readAll('data:broken'), 'OptionError', /^a data: URL: /);
});
test('a model that came in pieces answers as the file does, in a pipeline too, and fails there alike', async () => {
  const bytes = readFileSync(bundled('recollect-tiny.gguf'));
  const logits = async (input: ModelInput, pipeline: number) => {
    using model = await loadModel(input, { ...quick, threads: 1, pipeline });
    return (await textLogits(model, 'the hen lives', 3)).top;
  };
  const expected = await logits(bundled('recollect-tiny.gguf'), 1);
  for (const pipeline of [1, 2]) {
    await serve(
      (e) =>
        send(e, {
          bytes,
          headers: tag,
          ...(e.number < 4 && {
            until: Math.floor((bytes.length * e.number) / 4),
            finish: 'break',
          }),
        }),
      async ({ url }) => assert.equal(await logits(url, pipeline), expected),
    );
    await serve(
      (e) => send(e, { bytes, headers: tag, until: bytes.length - 1000, finish: 'break' }),
      async ({ url }) =>
        rejects(
          logits(url, pipeline),
          'NetworkError',
          /m\.gguf: the connection broke .*at byte \d+ of \d+, 6 times/,
        ),
    );
  }
});
test.run();
