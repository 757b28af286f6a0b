// A frame: what one micro-batch's activations or gradients are on the wire (docs/split.md,
// 'Frames'). Here are its header, its size, and what is refused of a foreign one; codec.ts says
// what its numbers mean. Little-endian:
//
//   header, 52 bytes, as FIELDS has it
//   bits of each channel u8        flag MAP: only where they are others than before
//   rows that are sent, 1 bit each flag ROWS: lowest bit first, zeros to a byte
//   lo, hi f16 of each range       not where nothing is quantised
//   numbers                        f32 [rows, width] with flag RAW, else packed channels
import { checksum, EMPTY_CHECKSUM } from '../../cache/checksum.ts';
import { ProtocolError } from '../../errors.ts';

const MAGIC = 0x464c4352; // 'RCLF'
export const FRAME_VERSION = 1;
export const HEADER_BYTES = 52;

/** Byte offsets of u32 fields; behind the magic number: version u8, kind u8, flags u16. */
const FIELDS = {
  step: 8,
  microBatch: 12,
  /** T and D of the micro-batch. */
  tokens: 16,
  width: 20,
  /** Channels that share a range; 0 with flag RAW. */
  group: 24,
  /** Rows that are sent: T without flag ROWS. */
  rows: 28,
  /** Two's complement: lo and hi are their f16 times 2^exponent. */
  exponent: 32,
  /** Checksum of the map of bits that it was packed with. */
  map: 36,
  /** Checksum of the samples' states that it builds on; 0: of none. */
  base: 40,
  /** Bytes of the frame. */
  length: 44,
} as const;
/** Of all other bytes, padded by zeros to whole words. */
const CHECKSUM = 48;

export const RAW = 1;
export const MAP = 2;
export const ROWS = 4;
/** Lanes are tokens, not channels: each token has bits and a range. */
export const BY_TOKEN = 8;
/** The sender forgot all samples: so must the receiver. */
export const FRESH = 16;
const FLAGS = RAW | MAP | ROWS | BY_TOKEN | FRESH;

const frameKinds = ['activations', 'gradients'] as const;
export type FrameKind = (typeof frameKinds)[number];

export interface FrameHeader extends Record<keyof typeof FIELDS, number> {
  readonly kind: FrameKind;
  readonly flags: number;
  readonly checksum: number;
}

/** What a frame's sender says; the rest follows. */
export type WrittenHeader = Omit<FrameHeader, 'length' | 'checksum'>;

/** What a receiver knows of the next frame before it comes. */
export interface FrameExpectation {
  readonly kind: FrameKind;
  readonly step: number;
  readonly microBatch: number;
  readonly tokens: number;
  readonly width: number;
}

/** What a frame's size follows from. */
export interface FrameSize {
  readonly tokens: number;
  readonly width: number;
  /** Rows that are sent. Default: all tokens. */
  readonly rows?: number;
  /** Ranges: one a channel, a group of channels, or a tensor; 0: f32 is sent. */
  readonly ranges: number;
  /** Bits of all numbers together: rows times the sum over channels. Unused for f32. */
  readonly bits: number;
  /** Bytes of the map of bits, where it is sent. Default: 0. */
  readonly mapBytes?: number;
}

/**
 * Bytes of a frame, exactly: 52 + map + (T / 8 where rows are left out) + 4 ranges + bits / 8, each
 * rounded up to a byte (docs/split.md, 'Frames').
 */
export function frameBytes(size: FrameSize): number {
  const { tokens, width, rows = tokens, ranges, bits, mapBytes = 0 } = size;
  const mask = rows < tokens ? Math.ceil(tokens / 8) : 0;
  const numbers = ranges === 0 ? rows * width * 4 : Math.ceil(bits / 8);
  return HEADER_BYTES + mapBytes + mask + (rows > 0 ? 4 * ranges + numbers : 0);
}

/** The largest frame that can come: what a receiver need accept of its connection. */
export const mostFrameBytes = (tokens: number, width: number): number =>
  HEADER_BYTES + Math.max(tokens, width) + Math.ceil(tokens / 8) + 4 * width * (tokens + 1);

/** Checksum of bytes, padded by zeros to words; the word at byte `skipped` counts as zero. */
export function checksumOf(bytes: Uint8Array, skipped?: number): number {
  const words = new Int32Array((bytes.length + 3) >> 2);
  new Uint8Array(words.buffer).set(bytes);
  if (skipped !== undefined) words[skipped >> 2] = 0;
  return checksum(EMPTY_CHECKSUM, words) >>> 0;
}

/** The checksum that a frame says. */
export const checksumIn = ({ buffer, byteOffset }: Uint8Array): number =>
  new DataView(buffer, byteOffset).getUint32(CHECKSUM, true);

/** What a good frame's bytes are for, and what its [T, D] takes as f32. */
export function framePartsOf(bytes: Uint8Array, lanes: number) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const field = (name: keyof typeof FIELDS) => view.getUint32(FIELDS[name], true);
  const flags = view.getUint16(6, true);
  const [T, D, rows, group] = [field('tokens'), field('width'), field('rows'), field('group')];
  const counted = flags & BY_TOKEN ? rows : Math.ceil(D / group);
  const ranges = flags & RAW || rows === 0 ? 0 : 4 * counted;
  const maps = (flags & MAP ? lanes : 0) + (flags & ROWS ? Math.ceil(T / 8) : 0);
  const payload = bytes.length - HEADER_BYTES - maps - ranges;
  return { payload, ranges, maps, headers: HEADER_BYTES, asF32: 4 * T * D };
}

/** Puts a frame together: its header, then its parts one behind the other. */
export function writeFrame(header: WrittenHeader, parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, HEADER_BYTES);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint8(4, FRAME_VERSION);
  view.setUint8(5, frameKinds.indexOf(header.kind));
  view.setUint16(6, header.flags, true);
  const numbers = { ...header, length };
  for (const name of Object.keys(FIELDS) as (keyof typeof FIELDS)[])
    view.setUint32(FIELDS[name], numbers[name] >>> 0, true);
  let at = HEADER_BYTES;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  view.setUint32(CHECKSUM, checksumOf(bytes, CHECKSUM), true);
  return bytes;
}

/** Refuses what is not what it should be: the sender may send it again. */
export function expectSame(what: string, found: number | string, expected: number | string): void {
  if (found !== expected)
    throw new ProtocolError(
      `frame: ${what} is ${found}, expected ${expected}: ask for the frame again`,
    );
}

/**
 * The header of a frame, checked against what is expected, and the frame's checksum. Nothing is
 * reserved by a number of the frame. Throws ProtocolError.
 */
export function readHeader(bytes: Uint8Array, expected: FrameExpectation): FrameHeader {
  if (bytes.length < HEADER_BYTES)
    throw new ProtocolError(
      `frame: ${bytes.length} bytes, expected ${HEADER_BYTES} at least: ask for the frame again`,
    );
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const hex = (x: number) => `0x${x.toString(16)}`;
  expectSame('magic number', hex(view.getUint32(0, true)), hex(MAGIC));
  const version = view.getUint8(4);
  if (version !== FRAME_VERSION)
    throw new ProtocolError(
      `frame: version ${version}, this side speaks ${FRAME_VERSION}: update the older of both`,
    );
  const numbers = Object.fromEntries(
    Object.entries(FIELDS).map(([name, at]) => [name, view.getUint32(at, true)]),
  ) as Record<keyof typeof FIELDS, number>;
  expectSame('length', bytes.length, numbers.length);
  const checksum = checksumIn(bytes);
  expectSame('checksum', hex(checksum), hex(checksumOf(bytes, CHECKSUM)));
  const kind = view.getUint8(5);
  expectSame('kind', frameKinds[kind] ?? `unknown (${kind})`, expected.kind);
  for (const name of ['step', 'microBatch', 'tokens', 'width'] as const)
    expectSame(name, numbers[name], expected[name]);
  const flags = view.getUint16(6, true);
  if ((flags & ~FLAGS) !== 0)
    throw new ProtocolError(`frame: flags ${hex(flags)} are unknown: update the older of both`);
  const { rows, tokens } = numbers;
  if (flags & ROWS ? rows > tokens : rows !== tokens)
    throw new ProtocolError(
      `frame: ${rows} rows of ${tokens} tokens, expected ${flags & ROWS ? 'no more' : 'as many'}` +
        ': ask for the frame again',
    );
  return { ...numbers, exponent: numbers.exponent | 0, kind: expected.kind, flags, checksum };
}
