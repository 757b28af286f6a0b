// Lists of texts that stay bytes: what they tell is what a decoder makes of the same bytes.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createRandom } from '../../src/math/rng.ts';
import { metadataOf, TextList } from '../../src/model/text-list.ts';
import { isWellFormed } from '../../src/model/utf8.ts';

const test = suite('text lists');
const TEXTS = [
  '',
  'a',
  'plain',
  'longer than most tokens are',
  '\uFEFFa',
  'é',
  '▁of',
  '🙂',
  'a🙂b🙂',
];
const unitsOf = (text: string) =>
  Uint16Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));

/** Whether a decoder that throws takes bytes. */
function isText(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

test('what is well formed is what a decoder takes', () => {
  const random = createRandom(1);
  // where rules begin and end: lengths, surrogates, the last character
  const edges = [0, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf];
  edges.push(0xe0, 0xe1, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff);
  let taken = 0;
  for (let round = 0; round < 30000; round++) {
    const bytes = Uint8Array.from(
      { length: 1 + Math.floor(random() * 4) },
      () => edges[Math.floor(random() * edges.length)],
    );
    const among = Uint8Array.of(0x80, ...bytes, 0x80);
    assert.is(isWellFormed(among, 1, among.length - 1), isText(bytes), String(bytes));
    const list = new TextList(1);
    list.pushBytes(among, 1, among.length - 1);
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
    assert.is(list.at(0), text, String(bytes));
    assert.is(list.byteLength(0), new TextEncoder().encode(text).length);
    if (isText(bytes)) taken++;
  }
  assert.ok(taken > 1000, `only ${taken} were well formed`);
});
test('texts are read as the units that strings have', () => {
  const list = TextList.of(TEXTS);
  const units = new Uint16Array(list.longest);
  assert.equal([...list], TEXTS);
  for (const [i, text] of TEXTS.entries()) {
    assert.is(list.read(i, units), text.length);
    assert.equal(units.slice(0, text.length), unitsOf(text));
  }
  assert.is(list.indexOf(3, 0x20, 0), 6);
  assert.is(list.indexOf(3, 0x20, 7), 11);
  assert.is(list.indexOf(1, 0x20, 0), -1);
});
test('a text is told from all others, also where a unit is left out of them', () => {
  const list = TextList.of(TEXTS);
  for (const [i, text] of TEXTS.entries())
    for (const other of TEXTS) {
      const units = unitsOf(`<${other}>`);
      assert.is(list.isUnits(i, units, 1, units.length - 1), text === other, `${text} ${other}`);
      for (let gap = 0; gap <= other.length; gap++) {
        const apart = unitsOf(`${other.slice(0, gap)} ${other.slice(gap)}`);
        const whole = list.isUnits(i, apart, 0, apart.length, gap);
        assert.is(whole, text === other, `${text} ${other} ${gap}`);
      }
    }
});
test('a list has room for more than it was made for', () => {
  const texts = Array.from({ length: 500 }, (_, i) => 'long '.repeat(i % 50));
  assert.equal([...TextList.of(texts)], texts);
});
test('metadata show arrays, each made once, where nothing else can be told from before', () => {
  const list = TextList.of(TEXTS);
  const metadata = metadataOf(
    new Map<string, unknown>([
      ['texts', list],
      ['__proto__', list],
      ['number', 1],
    ]),
  );
  assert.equal(Object.keys(metadata), ['texts', '__proto__', 'number']);
  assert.is(Object.getPrototypeOf(metadata), Object.prototype);
  assert.ok(Array.isArray(metadata.texts));
  Object.freeze(metadata);
  assert.equal(metadata.texts, TEXTS);
  assert.is(metadata.texts, metadata.texts);
  assert.equal(structuredClone(metadata).texts, TEXTS);
  assert.equal({ ...metadata }.number, 1);
});

test.run();
