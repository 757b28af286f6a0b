// The format of a stored conversation: where it stands, and the rows of its caches (extent.ts),
// stage after stage. i32, little-endian:
//
//   head:  'RCS6' | numbers of the head | checksum of the rest of it | tag [4] | token
//          | position base | rebased at | checksum of all layers' heads and dimensions
//          | bytes beside rows | type of rows | stages
//          | layers, channels of grids and of slots of each | length of each head
//   body:  the bytes of each stage's cache, in sections (extent.ts)
//   tail:  a checksum of each section of the body, and one of these checksums
//
// Here are its sizes, its head, and the types of those who store and read it; it reads and writes
// nothing itself (stored-reader.ts, engine/saved.ts).
import { StoreError } from '../errors.ts';
import { rowCode } from '../backend/dtype.ts';
import { checksum, EMPTY_CHECKSUM } from './checksum.ts';
import type { Extent } from '../backend/state.ts';
import {
  cacheColumns,
  type CacheShape,
  headCount,
  headDims,
  layerShapes,
} from '../backend/cache-shape.ts';
import { sum } from '../math/sum.ts';
import { largestExtent, sectionsOf } from '../backend/extent.ts';

/** Where a state is written to, from its first byte to its last. */
export interface BytesOut {
  /** How many bytes will come: called once, before the first of them. */
  reserve(size: number): void;
  /** Writes the bytes that come next; when it resolves, the caller may change them again. */
  write(bytes: Uint8Array): Promise<void>;
}

/** Where a state is read from, in any order. */
export interface BytesIn {
  readonly size: number;
  /** Fills `into` with the bytes from `at` on. Throws where there are too few. */
  read(at: number, into: Uint8Array): Promise<void>;
}

/**
 * Four numbers that no other stored state has: whose conversation it is, what it is of, and since
 * when.
 */
export type Tag = readonly [number, number, number, number];

/**
 * Lends a stored state again, for as long as that takes. Rejects with LostError where it was
 * replaced or is gone.
 */
export type Again = <T>(use: (stored: Stored) => Promise<T>) => Promise<T>;

/** A stored state, and the tag that it must have; errors call it by the name. */
export interface Stored {
  readonly from: BytesIn;
  readonly tag: Tag;
  readonly name: string;
  /** Where it can be had later. */
  readonly again?: Again;
}

/** Where a conversation stands. */
export interface Standing {
  /** The number of its next token. */
  readonly token: number;
  /** In compact positions the position that rows end at, else -1. */
  readonly base: number;
  /** Token number at which the positions were last made compact. */
  readonly rebasedAt: number;
}

/** A stored state that cannot be read, or is not the one that was stored. */
export class LostError extends StoreError {
  /** The name of the stored state. */
  readonly stored: string;

  constructor(stored: string, why: string, cause?: unknown) {
    super(`${stored}: ${why}: delete the store and let it be written again`, { cause });
    this.stored = stored;
  }
}

/** Its digit is raised with every change of what the bytes mean. */
const MAGIC = 0x36534352; // 'RCS6'
const VERSIONS = /^RCS(\d)$/;
const textOf = (magic: number) =>
  String.fromCharCode(...[0, 8, 16, 24].map((shift) => (magic >>> shift) & 0xff));
const FIXED_INTS = 14;
const STAGE_INTS = 3;
const CHECKSUM_AT = 2;
const TAG_AT = 3;
const STANDING_AT = 7;
const SHAPE_AT = 10;

/** Numbers of the head. */
export const headInts = (shapes: readonly CacheShape[]): number =>
  FIXED_INTS + sum(shapes.map((shape) => STAGE_INTS + headCount(shape)));

/** Numbers of the tail. */
export const tailInts = (shapes: readonly CacheShape[], extents: readonly Extent[]): number =>
  sum(shapes.map((shape, i) => sectionsOf(shape, extents[i]).length)) + 1;

/** Most bytes of head and tail together, into however many stages the layers of `shape` are cut. */
export function frameBytes(shape: CacheShape): number {
  const layers = shape.keptRows.length;
  const columns = headDims(shape).map((d) => cacheColumns(d, shape.rowType).length);
  const sections = sum(columns) + 3 * layers;
  return 4 * (FIXED_INTS + layers * STAGE_INTS + headCount(shape) + sections + 1);
}

/** Most bytes of a stored state with `rows` rows, in one stage or several. */
export function storedBytes(shape: CacheShape, rows: number): number {
  return frameBytes(shape) + sum(sectionsOf(shape, largestExtent(shape, rows)));
}

/** Bytes of a stored state: head, body and tail. */
export function stateBytes(shapes: readonly CacheShape[], extents: readonly Extent[]): number {
  const body = shapes.map((shape, i) => sum(sectionsOf(shape, extents[i])));
  return 4 * (headInts(shapes) + tailInts(shapes, extents)) + sum(body);
}

/** The numbers of a head that every state of the same model and row type has. */
const shapeNumbers = (shapes: readonly CacheShape[]): readonly number[] => {
  const layers = shapes.flatMap(layerShapes);
  const heads = Int32Array.from(layers.flatMap(({ kvHeads, headDim }) => [kvHeads, headDim]));
  const fixed = sum(shapes.flatMap(({ fixedBytes = [] }) => fixedBytes));
  const [{ rowType }] = shapes;
  return [checksum(EMPTY_CHECKSUM, heads), fixed, rowCode(rowType), shapes.length];
};

/** Makes a head. */
export function makeHead(
  shapes: readonly CacheShape[],
  extents: readonly Extent[],
  { token, base, rebasedAt }: Standing,
  tag: Tag,
): Int32Array<ArrayBuffer> {
  const head = new Int32Array(headInts(shapes));
  head.set([MAGIC, head.length, 0, ...tag, token, base, rebasedAt, ...shapeNumbers(shapes)]);
  let at = FIXED_INTS;
  for (const [i, { gridChannels, slotChannels }] of extents.entries()) {
    head.set([shapes[i].keptRows.length, gridChannels, slotChannels], at);
    at += STAGE_INTS;
  }
  for (const { lengths } of extents) {
    head.set(lengths, at);
    at += lengths.length;
  }
  head[CHECKSUM_AT] = checksumOfHead(head);
  return head;
}

/** Reads a head that was made for caches of these shapes; `refuse` throws, and hears why. */
export function readHead(
  head: Int32Array,
  shapes: readonly CacheShape[],
  tag: Tag,
  refuse: (why: string) => never,
): { standing: Standing; extents: readonly Extent[] } {
  const wrong = (numbers: readonly number[], at: number) =>
    numbers.some((n, i) => head[at + i] !== n);
  const found = textOf(head[0]);
  if (VERSIONS.test(found) && head[0] !== MAGIC)
    refuse(`it is stored as ${found}, another version of the format than ${textOf(MAGIC)}`);
  if (wrong([MAGIC, head.length], 0) || wrong(shapeNumbers(shapes), SHAPE_AT))
    refuse('it is no snapshot of this model and row type');
  if (head[CHECKSUM_AT] !== checksumOfHead(head))
    refuse('the checksum of its header is wrong, the bytes were changed');
  if (wrong(tag, TAG_AT)) refuse('it is the snapshot of something else');
  let at = FIXED_INTS + STAGE_INTS * shapes.length;
  const extents = shapes.map((shape, i): Extent => {
    const stageAt = FIXED_INTS + STAGE_INTS * i;
    const [layers, gridChannels, slotChannels] = head.subarray(stageAt, stageAt + STAGE_INTS);
    if (layers !== shape.keptRows.length) refuse('it is no snapshot of these layers');
    const lengths = Array.from(head.subarray(at, (at += headCount(shape))));
    return { lengths, gridChannels, slotChannels };
  });
  const [token, base, rebasedAt] = head.subarray(STANDING_AT, SHAPE_AT);
  return { standing: { token, base, rebasedAt }, extents };
}

const checksumOfHead = (head: Int32Array) =>
  checksum(checksum(EMPTY_CHECKSUM, head.subarray(0, CHECKSUM_AT)), head.subarray(CHECKSUM_AT + 1));
