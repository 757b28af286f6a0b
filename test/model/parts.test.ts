// A model in several files is the model in one, wherever its parts come from and in whatever order;
// a part that is missing, foreign, doubled or cut off is named.
import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { textLogits } from '../../src/engine/logits.ts';
import { loadModel } from '../../src/engine/model.ts';
import type { LoadProgress } from '../../src/model/load.ts';
import type { ModelFiles } from '../../src/model/source.ts';
import { type MetadataValue, smallLlama, type TensorSpec, writeGguf } from '../gguf-writer.ts';
import { rejects } from '../rejects.ts';

const u16 = (n: number): MetadataValue => ({
  raw: Uint8Array.from([2, 0, 0, 0, n & 255, n >> 8]),
});
const nameOf = (no: number) => `small-0000${no + 1}-of-00003.gguf`;
const { metadata, tensors } = smallLlama();

/** Part `no` of three, of which the first has no tensors where `first` is 0. */
function partOf(
  no: number,
  { first = 4, count = tensors.length, all = tensors as readonly TensorSpec[] } = {},
): Uint8Array<ArrayBuffer> {
  const ends = [0, first, 8, all.length];
  const split = { 'split.no': u16(no), 'split.count': u16(3), 'split.tensors.count': count };
  return writeGguf({
    metadata: no === 0 ? { ...metadata, ...split } : split,
    tensors: all.slice(ends[no], ends[no + 1]),
  });
}
const three = (options?: Parameters<typeof partOf>[1]) =>
  [0, 1, 2].map((no) => partOf(no, options));

async function logitsOf(input: ModelFiles, onProgress?: (progress: LoadProgress) => void) {
  using model = await loadModel(input, { threads: 1, retryDelayMs: 1, onProgress });
  return (await textLogits(model, 'the end of it', 3)).top;
}

const parts = suite('parts');

parts('a list in any order, and a first part without tensors, are the whole model', async () => {
  const whole = await logitsOf(writeGguf({ metadata, tensors }));
  for (const [a, b, c] of [three(), three({ first: 0 })]) {
    assert.equal(await logitsOf([a, b, c]), whole);
    assert.equal(await logitsOf([new Blob([c]), a, new Blob([b])]), whole);
  }
});

parts('the other parts are found beside the first: paths and URLs, with progress', async () => {
  const whole = await logitsOf(writeGguf({ metadata, tensors }));
  const folder = mkdtempSync(join(tmpdir(), 'parts-'));
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url!);
    const no = [0, 1, 2].find((n) => request.url === `/${nameOf(n)}?key=1`);
    // the second part is refused once for the moment
    const isBusy = no === 1 && asked.filter((url) => url === request.url).length === 1;
    if (no === undefined || isBusy) return response.writeHead(isBusy ? 503 : 404).end();
    return response.writeHead(200, { etag: `"${no}"` }).end(partOf(no));
  });
  try {
    for (const [no, bytes] of three().entries()) writeFileSync(join(folder, nameOf(no)), bytes);
    const seen: LoadProgress[] = [];
    assert.equal(await logitsOf(join(folder, nameOf(0)), (progress) => seen.push(progress)), whole);
    const { loadedBytes, totalBytes } = seen.at(-1)!;
    assert.is(loadedBytes, totalBytes);
    assert.is(
      totalBytes,
      tensors.reduce((bytes, { data }) => bytes + data.length, 0),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    assert.equal(await logitsOf(`${at}${nameOf(0)}?key=1`), whole);
    await rejects(logitsOf(join(folder, nameOf(1))), 'OptionError', /part 2 of 3.*name the first/);
    unlinkSync(join(folder, nameOf(2)));
    await rejects(logitsOf(join(folder, nameOf(0))), 'OptionError', /part 3 of 3 is missing/);
  } finally {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  }
});

parts('parts that do not belong together are named', async () => {
  const [a, b, c] = three();
  const other = three({ count: 7 });
  await rejects(logitsOf(a), 'OptionError', /part 1 of 3.*pass all 3/);
  await rejects(logitsOf([]), 'OptionError', /empty/);
  await rejects(logitsOf([a]), 'OptionError', /3 parts, and 1 are listed/);
  await rejects(logitsOf([a, b]), 'OptionError', /3 parts, and 2 are listed/);
  await rejects(logitsOf([a, c]), 'OptionError', /part 2 is missing/);
  await rejects(logitsOf([a, b, b]), 'OptionError', /both part 2/);
  await rejects(logitsOf([a, b, writeGguf({ metadata, tensors })]), 'OptionError', /no part/);
  await rejects(logitsOf([a, other[1], c]), 'OptionError', /another model.*is 7/);
  await rejects(logitsOf(other), 'ModelFormatError', /11 tensors.*is 7/);
  const doubled = partOf(2, { all: tensors.with(10, tensors[0]) });
  await rejects(logitsOf([a, b, doubled]), 'ModelFormatError', /token_embd.weight' is in/);
  const cut = new File([c.slice(0, -64)], nameOf(2));
  await rejects(
    logitsOf([new File([a], nameOf(0)), cut, new File([b], nameOf(1))]),
    'ModelFormatError',
    /^small-00003-of-00003.gguf: .*cut off/,
  );
  const renamed = [a, c, b].map((bytes, no) => new File([bytes], nameOf(no)));
  await rejects(logitsOf(renamed), 'OptionError', /part 3 of 3, expected part 2 of 3/);
});

parts.run();
