// A cache's rows as bytes, to be stored and read back. Little-endian:
//
//   'RCS1' | layers | kvHeads | headDim | bits of a number | token | position base | tokens since | checksum | lengths [layers][kvHeads]   i32 each
//   then for each layer and head its columns (cache.ts): keys | values | tokens i32 | state f32 | places i32 of rows of few bits
import { StoreError } from '../errors.ts';
import { rowTypes } from '../backend/dtype.ts';
import { type Cache, cacheColumns, cacheRowBytes, type CacheShape } from './cache.ts';

const MAGIC = 0x31534352; // 'RCS1'
const HEADER_INTS = 9;
const CHECKSUM_AT = 8;
/** Tokens seen, and the position base. */
const BASE_AT = [5, 6];

/** Where a conversation stands: the number of its next token, and (in compact positions) the position that rows end at, else -1. */
export interface Standing {
  readonly token: number;
  readonly base: number;
  /** Token number at which the positions were last made compact. */
  readonly rebasedAt: number;
}

/** Bytes of a snapshot of `rows` rows. */
export function snapshotBytes(layers: number, kvHeads: number, rows: number, rowBytes: number): number {
  return (HEADER_INTS + layers * kvHeads) * 4 + rows * rowBytes;
}

/** Copies all rows out. */
export function takeSnapshot(cache: Cache, standing: Standing): Uint8Array<ArrayBuffer> {
  const { kvHeads, headDim, rowType } = cache.shape;
  const size = rowTypes[rowType].bits;
  const out = new Uint8Array(snapshotBytes(cache.layers, kvHeads, cache.rows, cacheRowBytes(headDim, rowType)));
  const ints = new Int32Array(out.buffer, 0, HEADER_INTS + cache.layers * kvHeads);
  ints.set([MAGIC, cache.layers, kvHeads, headDim, size, standing.token, standing.base, standing.rebasedAt]);
  let at = ints.byteLength;
  let slot = HEADER_INTS;
  for (const part of parts(cache)) {
    if (part.begins) ints[slot++] = part.length;
    out.set(cache.backend.bytes(part.address, part.bytes), at);
    at += part.bytes;
  }
  ints[CHECKSUM_AT] = checksum(out);
  return out;
}

/** Puts rows back. Throws StoreError for bytes that are damaged or belong to another shape of cache; the cache is then empty. */
export function restoreSnapshot(cache: Cache, bytes: Uint8Array, name: string): Standing {
  const { kvHeads, headDim, rowType } = cache.shape;
  const refuse = (why: string): never => {
    cache.clear();
    throw new StoreError(`${name}: ${why}: delete the store and let it be written again`);
  };
  cache.clear();
  const copy = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const headerBytes = (HEADER_INTS + cache.layers * kvHeads) * 4;
  if (copy.length < headerBytes) refuse(`${copy.length} bytes, a header alone has ${headerBytes}`);
  const ints = new Int32Array(copy.buffer, copy.byteOffset, HEADER_INTS + cache.layers * kvHeads);
  const expected = [MAGIC, cache.layers, kvHeads, headDim, rowTypes[rowType].bits];
  if (expected.some((n, i) => ints[i] !== n)) refuse('it is no snapshot of this model and row type');
  const lengths = [...ints.subarray(HEADER_INTS)];
  if (lengths.some((n) => n < 0)) refuse('it has heads of negative length');
  const rows = lengths.reduce((a, b) => a + b, 0);
  if (copy.length !== headerBytes + rows * cacheRowBytes(headDim, rowType)) refuse(`${copy.length} bytes do not hold its ${rows} rows`);
  if (ints[CHECKSUM_AT] !== checksum(copy)) refuse('its checksum is wrong, the bytes were changed');
  try {
    cache.resize(lengths);
  } catch (error) {
    refuse(`it has more rows than this session holds (${(error as Error).message})`);
  }
  let at = headerBytes;
  for (const part of parts(cache)) {
    cache.backend.write(part.address, copy.subarray(at, at + part.bytes));
    at += part.bytes;
  }
  return { token: ints[5], base: ints[6], rebasedAt: ints[7] };
}

/**
 * A snapshot with the rows of two, as many in each head as the first has: the ones with the best state (the score that a policy left there), every token
 * once, the first `sinks` tokens and those from number `recent` on for certain. Undefined where they cannot be put together: other lengths of
 * conversation, or positions that were made compact, each in its own way.
 */
export function joinSnapshots(first: Uint8Array, second: Uint8Array, shape: CacheShape, sinks: number, recent: number): Uint8Array<ArrayBuffer> | undefined {
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

function* parts(cache: Cache): Generator<{ address: number; bytes: number; length: number; begins: boolean }> {
  for (const head of cache.heads.flat()) {
    for (const [i, { name, bytes }] of cache.columns.entries())
      yield { address: head[name]!, bytes: head.length * bytes, length: head.length, begins: i === 0 };
  }
}

/** FNV-1a over 32-bit words, the checksum's own left out. */
function checksum(bytes: Uint8Array): number {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  let h = 0x811c9dc5 | 0;
  for (let i = 0; i < words.length; i++) if (i !== CHECKSUM_AT) h = Math.imul(h ^ words[i], 0x01000193);
  return h;
}
