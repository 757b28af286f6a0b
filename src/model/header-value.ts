// Reads one text or one value of a GGUF header's metadata. Lengths and counts are held against
// limits before anything is kept for them.
import { clip } from './damaged.ts';
import { type HeaderCursor, MAX_HEADER_BYTES, scalarBytes } from './header-cursor.ts';

/** Value types by number that are no scalars. */
const STRING = 8;
const ARRAY = 9;

export async function readText(
  cursor: HeaderCursor,
  what: string,
  most = MAX_HEADER_BYTES,
): Promise<string> {
  if (!cursor.has(8)) await cursor.need(8);
  const length = cursor.length();
  if (length > most) cursor.fail(`${what} has ${length} bytes, the limit is ${most}`);
  if (!cursor.has(length)) await cursor.need(length);
  return cursor.text(length);
}

export async function readValue(cursor: HeaderCursor, key: string): Promise<unknown> {
  await cursor.need(4);
  const type = cursor.u32();
  if (type === STRING) return readText(cursor, `metadata '${clip(key)}'`);
  if (type === ARRAY) return readArray(cursor, key);
  checkType(cursor, type, `metadata '${clip(key)}' has`);
  await cursor.need(scalarBytes[type]);
  return cursor.scalar(type);
}

async function readArray(cursor: HeaderCursor, key: string): Promise<unknown[]> {
  await cursor.need(4 + 8);
  const type = cursor.u32();
  const count = cursor.length();
  if (type === ARRAY)
    cursor.fail(`metadata '${clip(key)}' is an array of arrays, which no model file has`);
  checkType(cursor, type, `metadata '${clip(key)}' is an array of`);
  cursor.expect(count * (type === STRING ? 8 : scalarBytes[type]));
  cursor.countItems(count, key);
  const items: unknown[] = [];
  if (type === STRING) {
    const what = `an item of metadata '${clip(key)}'`;
    for (let i = 0; i < count; i++) {
      // nothing is awaited for each of some hundred thousand tokens
      const text = cursor.textHere() ?? (await readText(cursor, what));
      items.push(text);
    }
    return items;
  }
  const size = scalarBytes[type];
  while (items.length < count) {
    await cursor.need(size);
    const here = Math.min(count - items.length, cursor.whole(size));
    for (let i = 0; i < here; i++) items.push(cursor.scalar(type));
  }
  return items;
}

function checkType(cursor: HeaderCursor, type: number, whose: string): void {
  const last = scalarBytes.length - 1;
  if (type > last) cursor.fail(`${whose} type ${type}, the format has 0 to ${last}`);
}
