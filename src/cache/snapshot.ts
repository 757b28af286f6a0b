// A cache's rows as bytes, to be stored and read back. Little-endian:
//
//   'RCS2' | layers | kvHeads | headDim | type of rows | token | position base | tokens since | checksum | grids | slots | lengths [layers][kvHeads]  i32 each
//   then for each layer and head its columns (cache.ts): keys | values | tokens i32 | state f32 | places i32 of rows of few bits
//   then, where keys share grids (groups.ts), the grids, and the keys and values f16 of each slot: rows name them by number
import { StoreError } from '../errors.ts';
import { gridBytes, isGrouped, rowCode } from '../backend/dtype.ts';
import type { Address } from '../backend/tensor.ts';
import type { Cache } from './cache.ts';
import { cacheColumns, cacheRowBytes, type CacheShape, rangesOf } from './shape.ts';
import { gridsOf, SETTLED_SLOTS, slotBytes } from './groups.ts';

const MAGIC = 0x32534352; // 'RCS2'
const HEADER_INTS = 11;
const CHECKSUM_AT = 8;
const GRIDS_AT = 9;
const SLOTS_AT = 10;
/** Tokens seen, and the position base. */
const BASE_AT = [5, 6];

/** Where a conversation stands: the number of its next token, and (in compact positions) the position that rows end at, else -1. */
export interface Standing {
  readonly token: number;
  readonly base: number;
  /** Token number at which the positions were last made compact. */
  readonly rebasedAt: number;
}

/** Most bytes of a snapshot of `rows` rows of a cache. */
export function snapshotBytes(shape: CacheShape, rows: number): number {
  const heads = shape.keptRows.length * shape.kvHeads;
  const grids = rangesOf(shape).reduce((sum, range) => sum + gridsOf(range.rows, range.heads), 0);
  const aside = isGrouped(shape.rowType)
    ? grids * gridBytes(shape.rowType, shape.headDim) + Math.min(rows, heads * SETTLED_SLOTS) * slotBytes(shape.headDim)
    : 0;
  return (HEADER_INTS + heads) * 4 + rows * cacheRowBytes(shape.headDim, shape.rowType) + aside;
}

/** Copies all rows out. Rounds what may be rounded first. */
export function takeSnapshot(cache: Cache, standing: Standing): Uint8Array<ArrayBuffer> {
  const { kvHeads, headDim: d, rowType } = cache.shape;
  cache.settle();
  const headerInts = HEADER_INTS + cache.layers * kvHeads;
  let out = new Uint8Array(headerInts * 4 + cache.rows * cacheRowBytes(d, rowType));
  const header = new Int32Array(out.buffer, 0, headerInts);
  header.set([MAGIC, cache.layers, kvHeads, d, rowCode(rowType), standing.token, standing.base, standing.rebasedAt]);
  const grids: Uint8Array[] = [];
  const slots: Uint8Array[] = [];
  let slot = HEADER_INTS;
  let at = header.byteLength;
  for (const [layer, h, parts] of headsOf(cache)) {
    header[slot++] = cache.heads[layer][h].length;
    const [keys, values] = parts.map(({ address, bytes }) => {
      const from = at;
      out.set(cache.backend.bytes(address, bytes), from);
      at += bytes;
      return new Int32Array(out.buffer, from, bytes >> 2);
    });
    const [groups, i] = cache.groupsOf(layer, h) ?? [];
    if (!groups) continue;
    const taken = groups.number(i!, { keys, values }, grids.length, slots.length / 2);
    for (const at of taken.grids) grids.push(cache.backend.bytes(at, gridBytes(rowType, d)).slice());
    for (const s of taken.slots)
      for (const side of ['keys', 'values'] as const) slots.push(cache.backend.bytes(groups.slotAddress(i!, s, side), 2 * d).slice());
  }
  header[GRIDS_AT] = grids.length;
  header[SLOTS_AT] = slots.length / 2;
  if (grids.length + slots.length > 0) out = concat([out, ...grids, ...slots]);
  new Int32Array(out.buffer, 0, headerInts)[CHECKSUM_AT] = checksum(out);
  return out;
}

function concat(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}

/** Puts rows back. Throws StoreError for bytes that are damaged or belong to another shape of cache; the cache is then empty. */
export function restoreSnapshot(cache: Cache, bytes: Uint8Array, name: string): Standing {
  const { kvHeads, headDim: d, rowType } = cache.shape;
  const refuse = (why: string): never => {
    cache.clear();
    throw new StoreError(`${name}: ${why}: delete the store and let it be written again`);
  };
  cache.clear();
  const copy = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const headerBytes = (HEADER_INTS + cache.layers * kvHeads) * 4;
  if (copy.length < headerBytes) refuse(`${copy.length} bytes, a header alone has ${headerBytes}`);
  const ints = new Int32Array(copy.buffer, copy.byteOffset, HEADER_INTS + cache.layers * kvHeads);
  const expected = [MAGIC, cache.layers, kvHeads, d, rowCode(rowType)];
  if (expected.some((n, i) => ints[i] !== n)) refuse('it is no snapshot of this model and row type');
  const lengths = [...ints.subarray(HEADER_INTS)];
  if (lengths.some((n) => n < 0)) refuse('it has heads of negative length');
  const rows = lengths.reduce((a, b) => a + b, 0);
  const gridsFrom = headerBytes + rows * cacheRowBytes(d, rowType);
  const slotsFrom = gridsFrom + ints[GRIDS_AT] * gridBytes(rowType, d);
  if (copy.length !== slotsFrom + ints[SLOTS_AT] * slotBytes(d)) refuse(`${copy.length} bytes do not hold its ${rows} rows`);
  if (ints[CHECKSUM_AT] !== checksum(copy)) refuse('its checksum is wrong, the bytes were changed');
  try {
    cache.resize(lengths);
  } catch (error) {
    refuse(`it has more rows than this session holds (${(error as Error).message})`);
  }
  const { backend } = cache;
  let at = headerBytes;
  let [grid, slot, free] = [0, 0, 0];
  let range: unknown;
  const read = (to: Address, from: number, count: number) => backend.write(to, copy.subarray(from, from + count));
  for (const [layer, h, parts] of headsOf(cache)) {
    for (const part of parts) {
      read(part.address, at, part.bytes);
      at += part.bytes;
    }
    const [groups, i] = cache.groupsOf(layer, h) ?? [];
    if (!groups) continue;
    if (groups !== range) free = 0;
    range = groups;
    const placed = groups.place(i!, free, grid, slot);
    if (!placed || grid + placed.grids > ints[GRIDS_AT] || slot + placed.slots > ints[SLOTS_AT])
      return refuse('its rows name grids or slots that are not there');
    for (let g = 0; g < placed.grids; g++) read(groups.gridAddress(free++), gridsFrom + grid++ * gridBytes(rowType, d), gridBytes(rowType, d));
    for (let s = 0; s < placed.slots; s++, slot++) {
      read(groups.slotAddress(i!, s, 'keys'), slotsFrom + slot * slotBytes(d), 2 * d);
      read(groups.slotAddress(i!, s, 'values'), slotsFrom + slot * slotBytes(d) + 2 * d, 2 * d);
    }
  }
  return { token: ints[5], base: ints[6], rebasedAt: ints[7] };
}

/**
 * A snapshot with the rows of two, as many in each head as the first has: the ones with the best state (the score that a policy left there), every token
 * once, the first `sinks` tokens and those from number `recent` on for certain. Undefined where they cannot be put together: other lengths of
 * conversation, positions that were made compact, each in its own way, or keys that share grids.
 */
export function joinSnapshots(first: Uint8Array, second: Uint8Array, shape: CacheShape, sinks: number, recent: number): Uint8Array<ArrayBuffer> | undefined {
  if (isGrouped(shape.rowType)) return undefined;
  const columns = cacheColumns(shape.headDim, shape.rowType);
  const heads = shape.kvHeads * shape.keptRows.length;
  const headerBytes = (HEADER_INTS + heads) * 4;
  const [a, b] = [first, second].map((bytes) => new Int32Array(bytes.slice(0, headerBytes).buffer));
  if (BASE_AT.some((i) => a[i] !== b[i]) || a[BASE_AT[1]] >= 0) return undefined;
  const out = first.slice();
  const starts = [headerBytes, headerBytes];
  const columnBytes = (name: string) => columns.find(([n]) => n === name)![1];
  for (let head = 0; head < heads; head++) {
    const lengths = [a, b].map((ints) => ints[HEADER_INTS + head]);
    const sources = [first, second].map((bytes, s) => {
      let at = starts[s];
      const places = new Map<string, number>();
      for (const [name, size] of columns) {
        places.set(name, at);
        at += lengths[s] * size;
      }
      starts[s] = at;
      const numbers = (name: string) => bytes.slice(places.get(name)!, places.get(name)! + lengths[s] * columnBytes(name)).buffer;
      return { bytes, places, tokens: new Int32Array(numbers('positions')), state: new Float32Array(numbers('state')) };
    });
    const rows = new Map<number, { source: number; row: number; score: number }>();
    sources.forEach(({ tokens, state }, source) =>
      tokens.forEach((token, row) => {
        const score = token < sinks || token >= recent ? Number.POSITIVE_INFINITY : state[row];
        const known = rows.get(token);
        if (!known) rows.set(token, { source, row, score });
        else known.score = Math.max(known.score, score);
      }),
    );
    const best = [...rows].sort(([t, x], [u, y]) => (y.score === x.score ? t - u : y.score > x.score ? 1 : -1)).slice(0, lengths[0]);
    best.sort(([t], [u]) => t - u);
    best.forEach(([, { source, row }], i) => {
      for (const [name, size] of columns) {
        const from = sources[source].places.get(name)! + row * size;
        out.set(sources[source].bytes.subarray(from, from + size), sources[0].places.get(name)! + i * size);
      }
    });
  }
  new Int32Array(out.buffer, 0, HEADER_INTS)[CHECKSUM_AT] = checksum(out);
  return out;
}

/** Every head with its columns. */
function* headsOf(cache: Cache): Generator<[layer: number, h: number, parts: { address: Address; bytes: number }[]]> {
  for (const [layer, heads] of cache.heads.entries()) {
    for (const [h, head] of heads.entries()) yield [layer, h, cache.columns.map(({ name, bytes }) => ({ address: head[name]!, bytes: head.length * bytes }))];
  }
}

/** FNV-1a over 32-bit words, the checksum's own left out. */
function checksum(bytes: Uint8Array): number {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  let h = 0x811c9dc5 | 0;
  for (let i = 0; i < words.length; i++) if (i !== CHECKSUM_AT) h = Math.imul(h ^ words[i], 0x01000193);
  return h;
}
