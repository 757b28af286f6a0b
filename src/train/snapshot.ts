// A training after a step as bytes: its numbers, what is known of it, and what it is a training of.
//
//   "RCLTRAIN" | u32 version | u32 bytes of the header | header (JSON, UTF-8, padded by spaces)
//   | w, m, v of each parameter in order, f32 | other numbers, f32 | u32 checksum of all of it
import { checksumOfBytes, EMPTY_CHECKSUM } from '../cache/checksum.ts';
import { OptionError, StoreError } from '../errors.ts';
import { type ParameterState, type Parameters, rowsOf } from './parameters.ts';

const MAGIC = 'RCLTRAIN';
const VERSION = 1;
const FRONT_BYTES = MAGIC.length + 8;
/** Longest header that is believed. */
const MOST_HEADER_BYTES = 1 << 26;
const PIECE_BYTES = 1 << 20;

/** What is known of a training beside its numbers; who keeps it may add what JSON can say. */
export interface SnapshotRecord {
  /** Steps done. */
  readonly step: number;
  /** What it is a training of, by what it is called: all of it must be the same to go on. */
  readonly of: Readonly<Record<string, string>>;
}

export interface Header extends SnapshotRecord {
  /** Name and numbers of each parameter. */
  readonly parameters: readonly (readonly [string, number])[];
  /** Other numbers behind them; left out where there are none. */
  readonly others?: readonly number[];
}

/** Where a snapshot is read from; a read gives fewer bytes only at the end. */
export interface SnapshotSource {
  readonly sizeBytes: number;
  read(at: number, into: Uint8Array): Promise<number>;
  /** What it is called in errors, and what to do where it is damaged. */
  readonly name: string;
  readonly advice: string;
}

const shapesOf = (parameters: Parameters): [string, number][] =>
  parameters.all.map(({ name, at }) => [name, rowsOf(at) * at.columns]);

/** Bytes of the numbers of a snapshot. */
export const snapshotNumbers = (parameters: Parameters): number => parameters.count * 3 * 4;

export const damaged = ({ name, advice }: SnapshotSource, what: string): StoreError =>
  new StoreError(`${name} ${what}: ${advice}`);

function front(header: Header): Uint8Array {
  let text = JSON.stringify(header);
  const size = new TextEncoder().encode(text).length;
  text += ' '.repeat((4 - (size % 4)) % 4);
  const json = new TextEncoder().encode(text);
  const bytes = new Uint8Array(FRONT_BYTES + json.length);
  bytes.set(new TextEncoder().encode(MAGIC));
  const view = new DataView(bytes.buffer);
  view.setUint32(MAGIC.length, VERSION, true);
  view.setUint32(MAGIC.length + 4, json.length, true);
  bytes.set(json, FRONT_BYTES);
  return bytes;
}

/** Writes one, piece by piece. */
export async function writeSnapshot(
  write: (bytes: Uint8Array) => Promise<void> | void,
  record: SnapshotRecord,
  parameters: Parameters,
  others: readonly Float32Array[] = [],
): Promise<void> {
  let sum = EMPTY_CHECKSUM;
  const add = (bytes: Uint8Array) => {
    sum = checksumOfBytes(sum, bytes);
    return write(bytes);
  };
  const more = others.length > 0 && { others: others.map(({ length }) => length) };
  await add(front({ ...record, parameters: shapesOf(parameters), ...more }));
  for (const parameter of parameters.all) {
    const { w, m, v } = await parameters.readState(parameter);
    for (const numbers of [w, m, v]) await add(bytesOf(numbers));
  }
  for (const numbers of others) await add(bytesOf(numbers));
  await write(bytesOf(Int32Array.of(sum)));
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array | Int32Array) =>
  new Uint8Array(buffer, byteOffset, byteLength);

/**
 * Puts a snapshot's numbers in the parameters' place, and gives the others. Throws StoreError for a
 * damaged one, OptionError for another training's: nothing is put in place then.
 */
export async function readSnapshot(
  from: SnapshotSource,
  { header, start }: SnapshotFront,
  of: SnapshotRecord['of'],
  parameters: Parameters,
): Promise<Float32Array[]> {
  const shapes = shapesOf(parameters);
  checkSame(from, header, of);
  if (JSON.stringify(header.parameters) !== JSON.stringify(shapes))
    throw damaged(from, 'does not have the numbers of this training');
  const others = header.others ?? [];
  const count = [...shapes.map(([, n]) => n * 3), ...others].reduce((a, b) => a + b, 0);
  const end = start + count * 4;
  if (from.sizeBytes !== end + 4)
    throw damaged(from, `has ${from.sizeBytes} bytes, expected ${end + 4}`);
  let at = start;
  const numbers = async (length: number) => {
    const read = new Float32Array(length);
    await from.read(at, bytesOf(read));
    at += read.byteLength;
    return read;
  };
  for (const [i, parameter] of parameters.all.entries()) {
    const [, n] = shapes[i];
    const [w, m, v] = [await numbers(n), await numbers(n), await numbers(n)];
    parameters.writeState(parameter, { w, m, v } satisfies ParameterState);
  }
  const found: Float32Array[] = [];
  for (const length of others) found.push(await numbers(length));
  return found;
}

/** What a snapshot says of itself. */
export interface SnapshotFront {
  readonly header: Header;
  /** Where its numbers begin. */
  readonly start: number;
}

/** Throws StoreError for a damaged one. */
export async function readFront(from: SnapshotSource): Promise<SnapshotFront> {
  const bytes = new Uint8Array(FRONT_BYTES);
  const size = await from.read(0, bytes);
  const view = new DataView(bytes.buffer);
  const magic = new TextDecoder().decode(bytes.subarray(0, MAGIC.length));
  if (size < FRONT_BYTES || magic !== MAGIC) throw damaged(from, 'is no checkpoint of a training');
  const version = view.getUint32(MAGIC.length, true);
  if (version !== VERSION) throw damaged(from, `is of version ${version}, expected ${VERSION}`);
  const length = view.getUint32(MAGIC.length + 4, true);
  if (length > Math.min(MOST_HEADER_BYTES, from.sizeBytes) || length % 4 !== 0)
    throw damaged(from, `says that its header has ${length} bytes`);
  // before the header is believed: a flipped bit in it is damage, not another training
  await checkSum(from);
  const json = new Uint8Array(length);
  await from.read(FRONT_BYTES, json);
  try {
    const header = JSON.parse(new TextDecoder().decode(json)) as Header;
    if (!Number.isInteger(header.step) || typeof header.of !== 'object')
      throw new SyntaxError('fields are missing');
    return { header, start: FRONT_BYTES + length };
  } catch (cause) {
    throw damaged(from, `has a header that cannot be read (${(cause as Error).message})`);
  }
}

function checkSame(
  { name }: SnapshotSource,
  { of: stored }: Header,
  of: SnapshotRecord['of'],
): void {
  for (const [what, value] of Object.entries(of))
    if (stored[what] !== value)
      throw new OptionError(
        `${name} is of a training whose ${what} is ${stored[what]}, this one's is ${value}: ` +
          `train as before, or choose another checkpoint`,
      );
}

async function checkSum(from: SnapshotSource): Promise<void> {
  const end = from.sizeBytes - 4;
  const piece = new Uint8Array(PIECE_BYTES);
  let sum = EMPTY_CHECKSUM;
  for (let at = 0; at < end; at += PIECE_BYTES) {
    const part = piece.subarray(0, Math.min(PIECE_BYTES, end - at));
    await from.read(at, part);
    sum = checksumOfBytes(sum, part);
  }
  const stored = new Int32Array(1);
  await from.read(end, bytesOf(stored));
  if (end % 4 !== 0 || stored[0] !== sum)
    throw damaged(from, 'is damaged (its checksum is another)');
}
