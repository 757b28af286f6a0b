// Reads one text or one value of a GGUF header's metadata. Lengths and counts are held against
// limits before anything is kept for them.
import { clip } from './damaged.ts';
import { type HeaderCursor, MAX_HEADER_BYTES, scalarBytes } from './header-cursor.ts';
import { TextList } from './text-list.ts';

/** Value types by number that are no scalars. */
const STRING = 8;
const ARRAY = 9;

export async function readText(
  cursor: HeaderCursor,
  what: string,
  most = MAX_HEADER_BYTES,
): Promise<string> {
  return cursor.text(await readLength(cursor, what, most));
}

/** The length of a text, all of which is in the cursor's piece then. */
async function readLength(cursor: HeaderCursor, what: string, most: number): Promise<number> {
  if (!cursor.has(8)) await cursor.need(8);
  const length = cursor.length();
  if (length > most) cursor.fail(`${what} has ${length} bytes, the limit is ${most}`);
  if (!cursor.has(length)) await cursor.need(length);
  return length;
}

/** A number, a flag, a text, or an array of one of these; one of texts is a TextList. */
export async function readValue(cursor: HeaderCursor, key: string): Promise<unknown> {
  await cursor.need(4);
  const type = cursor.u32();
  if (type === STRING) return readText(cursor, `metadata '${clip(key)}'`);
  if (type === ARRAY) return readArray(cursor, key);
  checkType(cursor, type, `metadata '${clip(key)}' has`);
  await cursor.need(scalarBytes[type]);
  return cursor.scalar(type);
}

async function readArray(cursor: HeaderCursor, key: string): Promise<unknown[] | TextList> {
  await cursor.need(4 + 8);
  const type = cursor.u32();
  const count = cursor.length();
  if (type === ARRAY)
    cursor.fail(`metadata '${clip(key)}' is an array of arrays, which no model file has`);
  checkType(cursor, type, `metadata '${clip(key)}' is an array of`);
  cursor.expect(count * (type === STRING ? 8 : scalarBytes[type]));
  cursor.countItems(count, key);
  if (type === STRING) return readTexts(cursor, count, `an item of metadata '${clip(key)}'`);
  const items: unknown[] = [];
  const size = scalarBytes[type];
  while (items.length < count) {
    await cursor.need(size);
    const here = Math.min(count - items.length, cursor.whole(size));
    for (let i = 0; i < here; i++) items.push(cursor.scalar(type));
  }
  return items;
}

async function readTexts(cursor: HeaderCursor, count: number, what: string): Promise<TextList> {
  // (a length of 8 bytes for each is in the file, or it was refused)
  const texts = new TextList(count);
  // nothing is awaited for each of some hundred thousand tokens
  for (cursor.textsHere(texts, count); texts.length < count; cursor.textsHere(texts, count))
    cursor.textInto(texts, await readLength(cursor, what, MAX_HEADER_BYTES));
  return texts;
}

function checkType(cursor: HeaderCursor, type: number, whose: string): void {
  const last = scalarBytes.length - 1;
  if (type > last) cursor.fail(`${whose} type ${type}, the format has 0 to ${last}`);
}
