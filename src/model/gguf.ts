// The header of a GGUF file, parsed by @huggingface/gguf and then disbelieved: every count, type, size and offset is held against
// what is physically possible in a file of this length before anything is allocated for it.
import { gguf } from '@huggingface/gguf';
import { type WeightType, weightRowBytes, weightTypes } from '../backend/dtype.ts';
import { ModelFormatError, UnsupportedError } from '../errors.ts';
import type { ModelSource } from './source.ts';

export type Metadata = Readonly<Record<string, unknown>>;

export interface TensorInfo {
  readonly name: string;
  readonly type: WeightType;
  /** Rows [m] and columns [k]; a vector has one row. */
  readonly rows: number;
  readonly columns: number;
  readonly offset: number;
  readonly byteLength: number;
}

export interface GgufFile {
  readonly metadata: Metadata;
  /** In the order they lie in the file. */
  readonly tensors: readonly TensorInfo[];
}

const HEADER_BYTES = 24; // magic, version, tensor count, key count
const LEAST_TENSOR_BYTES = 8 + 4 + 8 + 4 + 8; // an empty name, one dimension
const LEAST_KEY_BYTES = 8 + 4 + 1;
const MAX_DIMENSION = 2 ** 31 - 1; // kernels count elements in i32
const MAX_ALIGNMENT = 2 ** 20;
/** Reads past the end that the parser may make while it looks ahead; a header that needs more is cut off. */
const MAX_READS_PAST_END = 2;

const unsupportedNames: Readonly<Record<number, string>> = {
  9: 'Q8_1',
  10: 'Q2_K',
  11: 'Q3_K',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  20: 'IQ4_NL',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
};

/** Reads and checks a header. Throws ModelFormatError where the file is damaged, UnsupportedError for a type or version we don't read. */
export async function readGguf(source: ModelSource, signal?: AbortSignal): Promise<GgufFile> {
  const { sizeBytes } = source;
  const fail = (what: string, cause?: unknown): never => {
    throw new ModelFormatError(`${source.name}: ${what}. The file is damaged or was cut off: get another copy.`, { cause });
  };
  const head = (await source.read(0, HEADER_BYTES)).slice();
  if (head.length < 4 || new TextDecoder().decode(head.subarray(0, 4)) !== 'GGUF') {
    const found = [...head.subarray(0, 4)].map((b) => b.toString(16).padStart(2, '0')).join(' ');
    throw new ModelFormatError(`${source.name}: begins with the bytes '${found}', a GGUF file begins with '47 47 55 46' (GGUF): name a .gguf file`);
  }
  if (head.length < HEADER_BYTES) fail(`${head.length} bytes long, a header alone has ${HEADER_BYTES}`);
  const view = new DataView(head.buffer);
  const version = view.getUint32(4, true);
  if (version !== 2 && version !== 3) {
    throw new UnsupportedError(
      `${source.name}: GGUF version ${version}${version & 0xffff ? '' : ' (big-endian)'}; versions 2 and 3, little-endian, are supported`,
    );
  }
  const tensorCount = view.getBigUint64(8, true);
  const keyCount = view.getBigUint64(16, true);
  const room = Number.isFinite(sizeBytes) ? BigInt(sizeBytes) : 2n ** 53n;
  if (tensorCount * BigInt(LEAST_TENSOR_BYTES) + keyCount * BigInt(LEAST_KEY_BYTES) > room) {
    fail(`claims ${tensorCount} tensors and ${keyCount} keys, more than its ${sizeBytes} bytes can hold`);
  }

  let readsPastEnd = 0;
  const parsed = await gguf('http://model/', {
    // the parser asks for ranges; they come from our source, whatever that is
    fetch: (async (_url: string, init: RequestInit) => {
      signal?.throwIfAborted();
      const [first, last] = /bytes=(\d+)-(\d+)/
        .exec((init.headers as Record<string, string>).Range)!
        .slice(1)
        .map(Number);
      const bytes = await source.read(first, last - first + 1);
      if (bytes.length === 0 && ++readsPastEnd > MAX_READS_PAST_END) fail('its header goes on past its end');
      // what the parser asks of a response; a real one would load all of fetch, some MB in Node
      const range = `bytes ${first}-${last}/${sizeBytes}`;
      return { headers: new Map([['content-range', range]]), arrayBuffer: async () => bytes.slice().buffer };
    }) as unknown as typeof fetch,
  }).catch((cause: Error) => {
    signal?.throwIfAborted();
    if (cause instanceof ModelFormatError) throw cause;
    return fail(`its header cannot be parsed (${cause.message})`, cause);
  });

  const metadata = parsed.metadata as unknown as Metadata;
  const headerEnd = parsed.tensorInfoByteRange[1];
  if (headerEnd > sizeBytes) fail(`its header ends at byte ${headerEnd}, the file at ${sizeBytes}`);
  const alignment = Number(metadata['general.alignment'] ?? 32);
  if (!(alignment >= 1 && alignment <= MAX_ALIGNMENT && Number.isInteger(Math.log2(alignment)))) {
    fail(`general.alignment is ${alignment}, expected a power of two up to ${MAX_ALIGNMENT}`);
  }
  const dataOffset = Math.ceil(headerEnd / alignment) * alignment;

  const names = new Set<string>();
  const tensors = parsed.tensorInfos.map((info): TensorInfo => {
    const label = `tensor '${info.name.slice(0, 80)}'`;
    if (names.has(info.name)) fail(`${label} is listed twice`);
    names.add(info.name);
    const type = weightTypes.find((t) => t.ggml === (info.dtype as number));
    if (!type) {
      throw new UnsupportedError(
        `${source.name}: ${label} has type ${unsupportedNames[info.dtype as number] ?? `number ${info.dtype}`}; ` +
          `supported are ${weightTypes.map((t) => t.name.toUpperCase()).join(', ')}: convert the model to one of these`,
      );
    }
    const shape = info.shape.map(Number);
    if (shape.length < 1 || shape.length > 2) throw new UnsupportedError(`${source.name}: ${label} has ${shape.length} dimensions; 1 or 2 are supported`);
    if (shape.some((n) => n < 1 || n > MAX_DIMENSION)) fail(`${label} has shape [${shape}], each dimension must be 1 to ${MAX_DIMENSION}`);
    const [columns, rows = 1] = shape;
    if (columns % type.elements !== 0) fail(`${label} has ${columns} columns, ${type.name.toUpperCase()} needs a multiple of ${type.elements}`);
    const byteLength = rows * weightRowBytes(type, columns);
    const offset = dataOffset + Number(info.offset);
    if (info.offset % BigInt(alignment) !== 0n) fail(`${label} begins at offset ${info.offset}, not a multiple of ${alignment}`);
    if (offset + byteLength > sizeBytes) fail(`${label} ends at byte ${offset + byteLength}, the file at ${sizeBytes}`);
    return { name: info.name, type, rows, columns, offset, byteLength };
  });
  tensors.sort((a, b) => a.offset - b.offset);
  for (let i = 1; i < tensors.length; i++) {
    const before = tensors[i - 1];
    if (before.offset + before.byteLength > tensors[i].offset) fail(`tensors '${before.name}' and '${tensors[i].name}' overlap`);
  }
  return { metadata, tensors };
}
