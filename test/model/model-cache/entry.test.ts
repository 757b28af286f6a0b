// Heads of models that are kept: whatever was cut off, what counts is whole.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cachedModels, deleteCachedModel, loadModel } from '../../../src/index.ts';
import {
  addressOf,
  type Entry,
  HEAD_BYTES,
  nameOf,
  readHead,
  slotOf,
} from '../../../src/model/model-cache/entry.ts';
import { rejects } from '../../rejects.ts';

const test = suite('models that are kept');

const entry = (number: number, bytes: number): Entry => ({
  url: 'https://example.org/m.gguf?a=1',
  version: { etag: '"é"', modified: undefined, dated: false },
  totalBytes: 1e10,
  bytes,
  savedAt: 1e12 + number,
  number,
});

/** A head after some writes. */
function headOf(...entries: readonly Entry[]): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(HEAD_BYTES);
  for (const each of entries) {
    const slot = slotOf(each);
    assert.ok(slot);
    head.set(slot.bytes, slot.at);
  }
  return head;
}
const plain = (value: unknown): unknown => value && JSON.parse(JSON.stringify(value));
const read = (head: Uint8Array<ArrayBuffer>, fileBytes = 1e11) => plain(readHead(head, fileBytes));

test('the newest that was written counts', () => {
  for (let count = 1; count < 5; count++) {
    const entries = Array.from({ length: count }, (_, i) => entry(i, i * 100));
    assert.equal(read(headOf(...entries)), plain(entries[count - 1]));
  }
});

test('one that was half written leaves the one before it', () => {
  const before = headOf(entry(4, 400), entry(5, 500));
  const after = headOf(entry(4, 400), entry(5, 500), entry(6, 600));
  for (let cut = 0; cut < 4096; cut += 13) {
    const torn = before.slice();
    torn.set(after.subarray(0, cut));
    const found = read(torn) as Entry;
    // behind the text there are zeros in both
    assert.ok(found.bytes === 500 || (found.bytes === 600 && cut > 100), `${cut}`);
  }
});

test('a flipped bit, a short file and foreign bytes are no entry', () => {
  const head = headOf(entry(0, 300));
  for (let at = 0; at < 4096; at += 7) {
    const flipped = head.slice();
    flipped[at] ^= 1 << (at % 8);
    assert.is(read(flipped), undefined, `${at}`);
  }
  assert.is((read(head, HEAD_BYTES + 300) as Entry).bytes, 300);
  assert.is(read(head, HEAD_BYTES + 299), undefined);
  assert.is(read(new Uint8Array(0)), undefined);
  assert.is(read(new Uint8Array(HEAD_BYTES)), undefined);
  assert.is(read(head.slice(0, 4000)), undefined);
});

test('a URL is kept without its user and fragment, under a name that tells it from others', async () => {
  const url = new URL('https://me:word@example.org/m.gguf?v=1#part');
  assert.is(addressOf(url), 'https://example.org/m.gguf?v=1');
  const names = await Promise.all(['a', 'b', 'x'.repeat(5000)].map(nameOf));
  assert.is(new Set(names).size, 3);
  for (const name of names) assert.match(name, /^[0-9a-f]{32}$/);
  assert.is(slotOf({ ...entry(0, 0), url: 'x'.repeat(4096) }), undefined);
});

test('where files are, nothing is kept, and what to do is said', async () => {
  const refused = loadModel('http://127.0.0.1:9/m.gguf?token=abc', { cache: true });
  await rejects(refused, 'OptionError', /^cache is true.*\/m.gguf\?\*\*\*: download it to a file/);
  assert.equal(await cachedModels(), []);
  assert.is(await deleteCachedModel('http://127.0.0.1:9/m.gguf'), false);
  await rejects(deleteCachedModel('m.gguf'), 'OptionError', /'m.gguf' is a path/);
  await rejects(deleteCachedModel('http://'), 'OptionError', /not a valid URL/);
});

test.run();
