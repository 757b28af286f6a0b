// Safetensors files: the length of a JSON header (u64), the header, and tensors behind it without
// gaps. What npm has for it (@huggingface/hub) reads headers of files that it fetches by itself;
// the format is small, and every number of a foreign file is checked here before anything is read
// by it.
import { UnsupportedError } from '../../errors.ts';
import { type WeightName, weightRowBytes, weightTypes } from '../../backend/dtype.ts';
import { clip, damaged } from '../damaged.ts';
import type { TensorInfo } from '../gguf.ts';
import type { ModelSource } from '../source.ts';

/** Stored types that adapters have, by the format's names. */
export const storedTypes: Readonly<Record<string, WeightName>> = {
  F32: 'f32',
  F16: 'f16',
  BF16: 'bf16',
};

const LENGTH_BYTES = 8;
/** Some 200 bytes a tensor: 80,000 of them. The largest adapters have some thousand. */
const MAX_HEADER_BYTES = 1 << 24;
/** Kernels count elements in i32. */
const MAX_DIMENSION = 2 ** 31 - 1;

interface Entry {
  readonly dtype?: unknown;
  readonly shape?: unknown;
  readonly data_offsets?: unknown;
}

/**
 * Reads and checks a header: tensors of two dimensions, or one (as a row), in the order in which
 * they lie in the file. Throws ModelFormatError for a damaged file, UnsupportedError for types and
 * dimensions that we don't read.
 */
export async function readSafetensors(source: ModelSource): Promise<TensorInfo[]> {
  const fail = (what: string): never => {
    throw damaged(source, what);
  };
  const head = await source.read(0, LENGTH_BYTES);
  if (head.length < LENGTH_BYTES)
    fail(`${head.length} bytes long, a safetensors file begins with ${LENGTH_BYTES}`);
  const length = Number(new DataView(head.slice().buffer).getBigUint64(0, true));
  if (length > MAX_HEADER_BYTES || length < 2)
    fail(`claims a header of ${length} bytes, expected 2 to ${MAX_HEADER_BYTES} (safetensors)`);
  const start = LENGTH_BYTES + length;
  if (start > source.sizeBytes)
    fail(`claims a header of ${length} bytes, the file has ${source.sizeBytes}`);
  const bytes = (await source.read(LENGTH_BYTES, length)).slice();
  if (bytes.length < length) fail(`ends inside its header, at byte ${LENGTH_BYTES + bytes.length}`);
  const entries = parseHeader(bytes, fail);
  const tensors = entries.map(([name, entry]) => tensorOf(name, entry, start, source));
  tensors.sort((a, b) => a.offset - b.offset);
  let end = start;
  for (const { name, offset, byteLength } of tensors) {
    if (offset !== end)
      fail(
        `tensor '${clip(name)}' begins at byte ${offset}, expected ${end}: tensors overlap or ` +
          `leave gaps`,
      );
    end = offset + byteLength;
  }
  if (Number.isFinite(source.sizeBytes) && end !== source.sizeBytes)
    fail(`tensors end at byte ${end}, the file at ${source.sizeBytes}`);
  return tensors;
}

function parseHeader(bytes: Uint8Array, fail: (what: string) => never): [string, Entry][] {
  let header: unknown;
  let twice: string | undefined;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    header = JSON.parse(text);
    twice = firstTwice(text);
  } catch {
    fail('its header is no JSON');
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    return fail('its header is no JSON object');
  if (twice !== undefined) fail(`tensor '${clip(twice)}' is listed twice`);
  return Object.entries(header).filter(([name]) => name !== '__metadata__') as [string, Entry][];
}

/** The first name that an object of valid JSON has twice: JSON.parse() keeps the last one. */
function firstTwice(json: string): string | undefined {
  const names = new Set<string>();
  let depth = 0;
  let last = '';
  for (const [token] of json.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:]/g)) {
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    else if (token !== ':') last = token;
    else if (depth === 1) {
      const name = JSON.parse(last) as string;
      if (names.has(name)) return name;
      names.add(name);
    }
  }
  return undefined;
}

function tensorOf(name: string, entry: Entry, start: number, source: ModelSource): TensorInfo {
  const label = `tensor '${clip(name)}'`;
  const fail = (what: string): never => {
    throw damaged(source, `${label} ${what}`);
  };
  const { dtype, shape, data_offsets: offsets } = entry ?? {};
  if (typeof dtype !== 'string') return fail('has no dtype');
  if (!isWhole(shape)) return fail(`has no shape`);
  if (!isWhole(offsets) || offsets.length !== 2) return fail('has no data_offsets');
  if (!Object.hasOwn(storedTypes, dtype))
    throw new UnsupportedError(
      `${source.name}: ${label} has dtype ${clip(dtype)}; supported are ` +
        `${Object.keys(storedTypes).join(', ')}: save the adapter as one of these`,
    );
  if (shape.length < 1 || shape.length > 2)
    throw new UnsupportedError(
      `${source.name}: ${label} has ${shape.length} dimensions; 1 or 2 are supported`,
    );
  if (shape.some((n) => n < 1 || n > MAX_DIMENSION))
    fail(`has shape [${shape}], each dimension must be 1 to ${MAX_DIMENSION}`);
  const type = weightTypes.find((t) => t.name === storedTypes[dtype])!;
  const [rows, columns] = shape.length === 1 ? [1, shape[0]] : shape;
  const byteLength = rows * weightRowBytes(type, columns);
  const [begin, end] = offsets;
  if (end - begin !== byteLength)
    fail(`takes bytes ${begin} to ${end}, its shape and dtype ${byteLength}`);
  if (start + end > Math.min(source.sizeBytes, Number.MAX_SAFE_INTEGER))
    fail(`ends at byte ${start + end}, the file at ${source.sizeBytes}`);
  return { name, type, rows, columns, offset: start + begin, byteLength };
}

const isWhole = (list: unknown): list is number[] =>
  Array.isArray(list) && list.every((n) => Number.isSafeInteger(n) && n >= 0);
