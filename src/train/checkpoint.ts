// A training on disk: its numbers after a step, and what it is a training of. It is written beside
// itself and renamed, so that a process that is killed leaves the step before, whole.
//
//   "RCLTRAIN" | u32 version | u32 bytes of the header | header (JSON, UTF-8, padded by spaces)
//   | w, m, v of each parameter in order, f32 | u32 checksum of all words before it
import { runtime } from '#runtime';
import { checksumOfBytes, EMPTY_CHECKSUM } from '../cache/checksum.ts';
import { OptionError, StoreError, UnsupportedError } from '../errors.ts';
import type { Folders } from '../runtime/runtime.ts';
import { type ParameterState, type Parameters, rowsOf } from './parameters.ts';

const MAGIC = 'RCLTRAIN';
const VERSION = 1;
const FRONT_BYTES = MAGIC.length + 8;
/** Longest header that is believed. */
const MOST_HEADER_BYTES = 1 << 26;
const PIECE_BYTES = 1 << 20;

/** What is known of a training beside its numbers. */
export interface TrainingRecord {
  /** Steps done. */
  readonly step: number;
  /** What it is a training of, by what it is called: all of it must be the same to go on. */
  readonly of: Readonly<Record<string, string>>;
  /** Loss of each step. */
  readonly losses: readonly number[];
  /** Steps, and the loss of the lines held out behind them. */
  readonly heldOut: readonly (readonly [step: number, loss: number])[];
}

interface Header extends TrainingRecord {
  /** Name and numbers of each parameter. */
  readonly parameters: readonly (readonly [string, number])[];
}

const shapesOf = (parameters: Parameters): [string, number][] =>
  parameters.all.map(({ name, at }) => [name, rowsOf(at) * at.columns]);

function foldersHere(): Folders {
  if (runtime.folders) return runtime.folders;
  throw new UnsupportedError(
    `a checkpoint is a file, and there are none here: leave checkpoint out, or train where there ` +
      `are files`,
  );
}

const partOf = (path: string) => `${path}.part`;

function front(record: TrainingRecord, parameters: Parameters): Uint8Array {
  const header: Header = { ...record, parameters: shapesOf(parameters) };
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

/** Throws StoreError where it cannot be written; what was there before is there still. */
export async function writeCheckpoint(
  path: string,
  record: TrainingRecord,
  parameters: Parameters,
): Promise<void> {
  const folders = foldersHere();
  const part = partOf(path);
  try {
    await folders.remove(part);
    const file = await folders.create(part);
    try {
      let sum = EMPTY_CHECKSUM;
      const write = (bytes: Uint8Array) => {
        sum = checksumOfBytes(sum, bytes);
        return file.write(bytes);
      };
      await write(front(record, parameters));
      for (const parameter of parameters.all) {
        const { w, m, v } = await parameters.readState(parameter);
        for (const numbers of [w, m, v]) await write(bytesOf(numbers));
      }
      await file.write(bytesOf(Int32Array.of(sum)));
    } finally {
      await file.close();
    }
    await folders.rename(part, path);
  } catch (cause) {
    throw new StoreError(
      `checkpoint '${path}' cannot be written (${(cause as Error).message}): make room, or ` +
        `choose another place`,
      { cause },
    );
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array | Int32Array) =>
  new Uint8Array(buffer, byteOffset, byteLength);

/**
 * What a checkpoint knows, and its numbers put in the parameters' place; undefined where there is
 * none. Throws StoreError for a damaged one, OptionError for another training's: nothing is put in
 * place then.
 */
export async function readCheckpoint(
  path: string,
  of: TrainingRecord['of'],
  parameters: Parameters,
): Promise<TrainingRecord | undefined> {
  let file: Awaited<ReturnType<Folders['open']>>;
  try {
    file = await foldersHere().open(path);
  } catch (cause) {
    if ((cause as { code?: string }).code === 'ENOENT') return undefined;
    if (cause instanceof UnsupportedError) throw cause;
    throw unreadable(path, cause);
  }
  try {
    const damaged = (what: string) =>
      new StoreError(
        `checkpoint '${path}' ${what}: remove it to begin the training again, or choose another ` +
          `checkpoint`,
      );
    const { header, start } = await readFront(file, damaged);
    const shapes = shapesOf(parameters);
    checkSame(path, header, of);
    if (JSON.stringify(header.parameters) !== JSON.stringify(shapes))
      throw damaged('does not have the numbers of this training');
    const count = shapes.reduce((sum, [, n]) => sum + n, 0);
    const end = start + count * 3 * 4;
    if (file.sizeBytes !== end + 4)
      throw damaged(`has ${file.sizeBytes} bytes, expected ${end + 4}`);
    let at = start;
    for (const parameter of parameters.all) {
      const { at: place } = parameter;
      const numbers = async () => {
        const read = new Float32Array(rowsOf(place) * place.columns);
        await file.read(at, bytesOf(read));
        at += read.byteLength;
        return read;
      };
      const state: ParameterState = { w: await numbers(), m: await numbers(), v: await numbers() };
      parameters.writeState(parameter, state);
    }
    return header;
  } catch (cause) {
    // a folder opens, and cannot be read
    throw (cause as { code?: string }).code === undefined ? cause : unreadable(path, cause);
  } finally {
    await file.close();
  }
}

const unreadable = (path: string, cause: unknown) =>
  new StoreError(
    `checkpoint '${path}' cannot be read (${(cause as Error).message}): choose another place`,
    { cause },
  );

type File = Awaited<ReturnType<Folders['open']>>;

async function readFront(
  file: File,
  damaged: (what: string) => Error,
): Promise<{ header: Header; start: number }> {
  const bytes = new Uint8Array(FRONT_BYTES);
  const size = await file.read(0, bytes);
  const view = new DataView(bytes.buffer);
  const magic = new TextDecoder().decode(bytes.subarray(0, MAGIC.length));
  if (size < FRONT_BYTES || magic !== MAGIC) throw damaged('is no checkpoint of a training');
  const version = view.getUint32(MAGIC.length, true);
  if (version !== VERSION) throw damaged(`is of version ${version}, expected ${VERSION}`);
  const length = view.getUint32(MAGIC.length + 4, true);
  if (length > Math.min(MOST_HEADER_BYTES, file.sizeBytes) || length % 4 !== 0)
    throw damaged(`says that its header has ${length} bytes`);
  // before the header is believed: a flipped bit in it is damage, not another training
  await checkSum(file, file.sizeBytes - 4, damaged);
  const json = new Uint8Array(length);
  await file.read(FRONT_BYTES, json);
  try {
    const header = JSON.parse(new TextDecoder().decode(json)) as Header;
    const { step, of, losses, heldOut } = header;
    const lists = Array.isArray(losses) && Array.isArray(heldOut);
    if (!Number.isInteger(step) || typeof of !== 'object' || !lists)
      throw new SyntaxError('fields are missing');
    return { header, start: FRONT_BYTES + length };
  } catch (cause) {
    throw damaged(`has a header that cannot be read (${(cause as Error).message})`);
  }
}

function checkSame(path: string, { of: stored }: Header, of: TrainingRecord['of']): void {
  for (const [what, value] of Object.entries(of))
    if (stored[what] !== value)
      throw new OptionError(
        `checkpoint '${path}' is of a training whose ${what} is ${stored[what]}, this one's is ` +
          `${value}: train as before, or choose another checkpoint`,
      );
}

async function checkSum(file: File, end: number, damaged: (what: string) => Error): Promise<void> {
  const piece = new Uint8Array(PIECE_BYTES);
  let sum = EMPTY_CHECKSUM;
  for (let at = 0; at < end; at += PIECE_BYTES) {
    const part = piece.subarray(0, Math.min(PIECE_BYTES, end - at));
    await file.read(at, part);
    sum = checksumOfBytes(sum, part);
  }
  const stored = new Int32Array(1);
  await file.read(end, bytesOf(stored));
  if (end % 4 !== 0 || stored[0] !== sum) throw damaged('is damaged (its checksum is another)');
}
