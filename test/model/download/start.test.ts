// Downloads that go on behind bytes that are here, and hand on all that comes.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type DownloadStart, openDownload } from '../../../src/model/download/download.ts';
import { rejects } from '../../rejects.ts';

const test = suite('downloads from a start');

const file = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7919) >>> 3);

/** A server of the file that ends its answers after so many bytes, as long as `use` runs. */
async function serve(
  most: number,
  use: (url: URL, asked: (string | undefined)[]) => Promise<void>,
): Promise<void> {
  const asked: (string | undefined)[] = [];
  const server = createServer(({ headers: { range } }, response) => {
    asked.push(range);
    const from = Number(/\d+/.exec(range ?? '0'));
    const headers = { etag: '"v1"', 'content-length': file.length - from };
    const part = `bytes ${from}-${file.length - 1}/${file.length}`;
    response.writeHead(from ? 206 : 200, from ? { ...headers, 'content-range': part } : headers);
    response.write(file.subarray(from, from + most), () => {
      if (from + most < file.length) setTimeout(() => response.destroy(), 20);
      else response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await use(new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/m`), asked);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const startAt = (at: number, etag = '"v1"'): DownloadStart => ({
  at,
  version: { etag, dated: false },
  totalBytes: file.length,
});

/** A sink that keeps everything. */
function collector() {
  const pieces: Uint8Array[] = [];
  const add = async (bytes: Uint8Array) => void pieces.push(bytes.slice());
  return { add, bytes: () => Uint8Array.from(pieces.flatMap((piece) => [...piece])) };
}

test('asks for what lies behind the start, once it is read, and for no more', async () => {
  await serve(100_000, async (url, asked) => {
    const download = await openDownload(url, { retryDelayMs: 1 }, startAt(50_000));
    const sink = collector();
    await download.handTo(sink);
    assert.equal(asked, []);
    assert.is(download.sizeBytes, file.length);
    download.forget(250_000);
    assert.equal(await download.read(250_000, 100_000), file.slice(250_000));
    assert.equal(asked, ['bytes=50000-', 'bytes=150000-', 'bytes=250000-']);
    assert.equal(sink.bytes(), file.slice(50_000), 'what nobody read came to the sink');
    await rejects(download.read(49_999, 1), 'RangeError', /forgotten/);
    await download.close();
  });
});

test('a file of another version is not continued', async () => {
  await serve(file.length, async (url) => {
    const download = await openDownload(url, { retryDelayMs: 1 }, startAt(50_000, '"v0"'));
    const failed = download.read(50_000, 10);
    await rejects(failed, 'NetworkError', /the file changed while it was read.*"v0" and is "v1"/);
    await download.close();
  });
});

test('a sink has the first bytes too, which came before it', async () => {
  await serve(file.length, async (url) => {
    const download = await openDownload(url, {});
    const sink = collector();
    await download.handTo(sink);
    assert.equal(await download.read(0, file.length), file);
    assert.equal(sink.bytes(), file);
    await download.close();
  });
});

test.run();
