// A GGUF file's header, checked: every tensor of a type we read, inside the file, at a place of
// its own. Nothing is allocated for a tensor here.
import type { RowsPart } from './blocks/block.ts';
import { type WeightType, weightRowBytes, weightTypes } from '../backend/dtype.ts';
import { UnsupportedError } from '../errors.ts';
import { clip, damaged } from './damaged.ts';
import { refuseOtherFormats, refuseOtherKinds } from './kind.ts';
import { FIXED_BYTES, type Header, readHeader, type TensorEntry } from './header.ts';
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
  /** The file's name, where a model is in several. */
  readonly file?: string;
  /** Matrices that lie one behind the other, of rows / experts rows each. Default 1. */
  readonly experts?: number;
  /** Kept as f32 (tensors.ts); else it is a matrix, kept as it is stored. */
  readonly isNumbers?: boolean;
  /** What its rows are kept as, where a file has several matrices in one (tensors.ts). */
  readonly parts?: readonly TensorPart[];
}

/** Rows of a tensor that are a matrix of their own. */
export interface TensorPart extends RowsPart {
  /** What it is called in memory. */
  readonly name: string;
}

export interface GgufFile {
  readonly metadata: Metadata;
  /** In the order they lie in the file, or in one file behind the other. */
  readonly tensors: readonly TensorInfo[];
}

const MAX_DIMENSION = 2 ** 31 - 1; // kernels count elements in i32
const DEFAULT_ALIGNMENT = 32;
const MAX_ALIGNMENT = 2 ** 20;
/** Bytes by which other formats are told: a web page may begin with blank lines. */
const TELLING_BYTES = 512;

/** ggml's other types, by number; what was removed from ggml keeps its name here. */
const unsupportedNames: Readonly<Record<number, string>> = {
  4: 'Q4_2',
  5: 'Q4_3',
  9: 'Q8_1',
  10: 'Q2_K',
  11: 'Q3_K',
  15: 'Q8_K',
  20: 'IQ4_NL',
  23: 'IQ4_XS',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  31: 'Q4_0_4_4',
  32: 'Q4_0_4_8',
  33: 'Q4_0_8_8',
  34: 'TQ1_0',
  35: 'TQ2_0',
  36: 'IQ4_NL_4_4',
  37: 'IQ4_NL_4_8',
  38: 'IQ4_NL_8_8',
  39: 'MXFP4',
  40: 'NVFP4',
  41: 'Q1_0',
  42: 'Q2_0',
};

/** What a file's header says of itself and of its tensors, which lie in this order. */
export interface Headed {
  readonly header: Header;
  readonly tensors: readonly TensorInfo[];
}

/**
 * Reads and checks a model's header, or those of its parts. Throws ModelFormatError where a file is
 * damaged, OptionError for parts that do not belong together, UnsupportedError for a format,
 * version, kind of model or type that we don't read, the signal's reason when aborted.
 */
export async function readGguf(source: ModelSource, signal?: AbortSignal): Promise<GgufFile> {
  const { header, tensors } = await (source.readHeaders?.(false) ??
    readAnyGguf(source, refuseOtherKinds, signal));
  return { metadata: header.metadata, tensors };
}

/** The same of a file of any kind, an adapter for one, that `refuse` lets through. */
export async function readAnyGguf(
  source: ModelSource,
  refuse: (header: Header, file: string) => void,
  signal?: AbortSignal,
): Promise<Headed> {
  signal?.throwIfAborted();
  const head = (await source.read(0, TELLING_BYTES)).slice();
  refuseOtherFormats(head, source.name);
  if (head.length < FIXED_BYTES) {
    throw damaged(source, `${head.length} bytes long, a header alone has ${FIXED_BYTES}`);
  }
  const version = new DataView(head.buffer).getUint32(4, true);
  if (version !== 2 && version !== 3) {
    const which = version & 0xffff ? String(version) : `${version >>> 24} (big-endian)`;
    throw new UnsupportedError(
      `${source.name}: GGUF version ${which}; versions 2 and 3, little-endian, are supported: ` +
        `convert the model again with a llama.cpp of today`,
    );
  }
  const header = await readHeader(source, signal);
  refuse(header, source.name);
  return { header, tensors: placeTensors(header, source) };
}

/** The tensors in the order they lie in the file, each held against what is possible. */
function placeTensors(
  { metadata, tensors: entries, end }: Header,
  source: ModelSource,
): TensorInfo[] {
  const fail = (what: string): never => {
    throw damaged(source, what);
  };
  const alignment = alignmentOf(metadata, source);
  const dataOffset = Math.ceil(end / alignment) * alignment;
  const names = new Set<string>();
  const tensors = entries.map((entry): TensorInfo => {
    const label = `tensor '${clip(entry.name)}'`;
    if (names.has(entry.name)) fail(`${label} is listed twice`);
    names.add(entry.name);
    const type = typeOf(entry, source);
    const shape = entry.shape.map(Number);
    if (shape.some((n) => n < 1 || n > MAX_DIMENSION)) {
      fail(`${label} has shape [${entry.shape}], each dimension must be 1 to ${MAX_DIMENSION}`);
    }
    while (shape.length > 2 && shape.at(-1) === 1) shape.pop(); // the same numbers
    if (shape.length > 3) {
      throw new UnsupportedError(
        `${source.name}: ${label} has ${shape.length} dimensions; 1 to 3 are supported`,
      );
    }
    const [columns, each = 1, experts = 1] = shape;
    const rows = each * experts;
    if (rows > MAX_DIMENSION)
      fail(`${label} has ${rows} rows, ${MAX_DIMENSION} at most are possible`);
    if (columns % type.elements !== 0) {
      fail(
        `${label} has ${columns} columns, ${type.name.toUpperCase()} needs a multiple of ` +
          `${type.elements}`,
      );
    }
    const byteLength = rows * weightRowBytes(type, columns);
    if (entry.offset % BigInt(alignment) !== 0n) {
      fail(`${label} begins at offset ${entry.offset}, not a multiple of ${alignment}`);
    }
    const offset = dataOffset + Number(entry.offset);
    // where nobody tells the size, places are still numbers that can be told apart
    if (offset + byteLength > Math.min(source.sizeBytes, Number.MAX_SAFE_INTEGER)) {
      fail(`${label} ends at byte ${offset + byteLength}, the file at ${source.sizeBytes}`);
    }
    const own = { name: entry.name, type, rows, columns, offset, byteLength };
    return experts > 1 ? { ...own, experts } : own;
  });
  tensors.sort((a, b) => a.offset - b.offset);
  for (let i = 1; i < tensors.length; i++) {
    const before = tensors[i - 1];
    if (before.offset + before.byteLength > tensors[i].offset) {
      fail(`tensors '${clip(before.name)}' and '${clip(tensors[i].name)}' overlap`);
    }
  }
  return tensors;
}

/** What places of tensors are multiples of. */
export function alignmentOf(metadata: Metadata, source: ModelSource): number {
  const value = metadata['general.alignment'] ?? DEFAULT_ALIGNMENT;
  const alignment =
    typeof value === 'number' || typeof value === 'bigint' ? Number(value) : Number.NaN;
  if (!(alignment >= 1 && alignment <= MAX_ALIGNMENT && Number.isInteger(Math.log2(alignment)))) {
    const found = Number.isNaN(alignment) ? `a ${typeof value}` : String(value);
    throw damaged(
      source,
      `general.alignment is ${found}, expected a power of two up to ${MAX_ALIGNMENT}`,
    );
  }
  return alignment;
}

function typeOf({ name, type: number }: TensorEntry, source: ModelSource): WeightType {
  const type = weightTypes.find((t) => t.ggml === number);
  if (type) return type;
  const found = unsupportedNames[number] ?? `number ${number}`;
  const known = weightTypes.map((t) => t.name.toUpperCase()).join(', ');
  throw new UnsupportedError(
    `${source.name}: tensor '${clip(name)}' has type ${found}; supported are ${known}: convert ` +
      `the model to one of these`,
  );
}
