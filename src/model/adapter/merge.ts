// Adapters merged into a model's own weights, W + sum_i scale_i B_i A_i, as a new GGUF file: tensor
// by tensor, some rows at a time, so that no model is held in memory. Keys and all other tensors are
// copied as they are. Rounding a sum to a type of few bits can lose most of an adapter, which is
// small beside what it is added to: how much of each was lost is told.
import { dequantize } from '../../backend/dequantize.ts';
import {
  type WeightName,
  weightRowBytes,
  type WeightType,
  weightTypes,
} from '../../backend/dtype.ts';
import { canQuantize, quantize } from '../../backend/quantize.ts';
import { ModelFormatError } from '../../errors.ts';
import { readConfig } from '../config.ts';
import type { DownloadOptions } from '../download/options.ts';
import { alignmentOf, readAnyGguf, type TensorInfo } from '../gguf.ts';
import { ggufHeader, padding } from '../gguf-writer.ts';
import { FIXED_BYTES, type Header } from '../header.ts';
import { refuseOtherKinds } from '../kind.ts';
import { type LoadProgress, readTensors } from '../load.ts';
import { type ModelInput, type ModelSource, openSource } from '../source.ts';
import { checkTensors } from '../tensors.ts';
import { readPair } from './numbers.ts';
import { closeAdapters, type OpenAdapter, openAdapters } from './open.ts';
import type { AdapterOption } from './option.ts';
import type { PairData } from './write.ts';

/** What adapted matrices are stored as; 'same': as before where we can write that, else F16. */
export const mergeTypes = ['same', 'f32', 'f16', 'bf16', 'q8_0'] as const;
export type MergeType = (typeof mergeTypes)[number];

export interface MergeOptions extends DownloadOptions {
  readonly adapters: readonly AdapterOption[];
  readonly type: MergeType;
  /** Takes the file's bytes, from its first to its last; they may change once it resolves. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
  readonly onProgress?: (progress: LoadProgress) => void;
}

/** A matrix that adapters were merged into. */
export interface MergedMatrix {
  readonly name: string;
  readonly from: WeightName;
  readonly to: WeightName;
  /** What rounding changed, relative to what the adapters added: 1 is as much as that. */
  readonly lost: number;
}

const MOST_FLOAT = 3.4028234663852886e38;
const MOST_HALF = 65504;
/** The largest number of a type, where it is not that of f32. */
const largest: Partial<Record<WeightName, number>> = { f16: MOST_HALF, q8_0: 127 * MOST_HALF };

/** A pair's numbers, and what its product is multiplied by. */
interface Addend extends PairData {
  readonly scale: number;
}

/**
 * Merges adapters into a model. Throws as loadModel() does, before the first byte is written where
 * an adapter or a header is to blame.
 */
export async function mergeAdapters(
  input: ModelInput,
  options: MergeOptions,
): Promise<MergedMatrix[]> {
  const { header, tensors, config } = await readModelHeader(input, options);
  const base = { input, config, tensors };
  const adapters = await openAdapters(options.adapters, base, options);
  try {
    // from the beginning again: a download is read forward only
    const source = await openSource(input, options);
    try {
      return await writeMerged(source, header, tensors, adapters, options);
    } finally {
      await source.close();
    }
  } finally {
    await closeAdapters(adapters);
  }
}

async function readModelHeader(input: ModelInput, { signal, ...options }: MergeOptions) {
  const source = await openSource(input, { signal, ...options });
  try {
    const { header, tensors } = await readAnyGguf(source, refuseOtherKinds, signal);
    const config = readConfig(header.metadata, source.name);
    // what they are cut to is of no matter: padding behind the last token stays in the file
    checkTensors(tensors, config, source.name);
    return { header, tensors, config };
  } finally {
    await source.close();
  }
}

/** What an adapted matrix is stored as. */
function typeFor({ type, columns }: TensorInfo, wanted: MergeType): WeightType {
  const named = (name: WeightName) => weightTypes.find((row) => row.name === name)!;
  const row = wanted === 'same' ? type : named(wanted);
  return canQuantize(row.name) && columns % row.elements === 0 ? row : named('f16');
}

async function writeMerged(
  source: ModelSource,
  header: Header,
  tensors: readonly TensorInfo[],
  adapters: readonly OpenAdapter[],
  options: MergeOptions,
): Promise<MergedMatrix[]> {
  const { write, type: wanted, signal, onProgress } = options;
  const adapted = new Set(adapters.flatMap(({ spec }) => spec.pairs.map(({ matrix }) => matrix)));
  const outputs = tensors.map((tensor) => {
    const type = adapted.has(tensor.name) ? typeFor(tensor, wanted) : tensor.type;
    return { tensor, type, byteLength: tensor.rows * weightRowBytes(type, tensor.columns) };
  });
  const alignment = alignmentOf(header.metadata, source);
  const shapes = new Map(header.tensors.map(({ name, shape }) => [name, shape]));
  const keyBytes = header.keysEnd - FIXED_BYTES;
  const keys = {
    count: Number(header.metadata.kv_count),
    bytes: (await source.read(FIXED_BYTES, keyBytes)).slice(),
  };
  if (keys.bytes.length < keyBytes)
    throw new ModelFormatError(`${source.name}: is shorter than it was: get another copy`);
  const entries = outputs.map(({ tensor: { name }, type, byteLength }) => ({
    name,
    shape: shapes.get(name)!,
    type,
    byteLength,
  }));
  await write(ggufHeader(keys, entries, alignment));
  const merged: MergedMatrix[] = [];
  const total = tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  let done = 0;
  for (const { tensor, type, byteLength } of outputs) {
    const sum = adapted.has(tensor.name)
      ? new Sum(tensor, type, await addendsOf(tensor.name, adapters, signal))
      : undefined;
    const put = (_: TensorInfo, row: number, rows: number, bytes: Uint8Array) =>
      write(sum ? sum.rows(row, rows, bytes) : bytes);
    await readTensors([{ source, tensors: [tensor] }], put, { signal });
    await write(padding(byteLength, alignment));
    if (sum) merged.push(sum.report);
    done += tensor.byteLength;
    onProgress?.({ loadedBytes: done, totalBytes: total });
  }
  return merged;
}

/** What all adapters have for a matrix. */
async function addendsOf(
  matrix: string,
  adapters: readonly OpenAdapter[],
  signal?: AbortSignal,
): Promise<Addend[]> {
  const addends: Addend[] = [];
  for (const { source, pairs, spec } of adapters)
    for (const pair of pairs) {
      const scale = spec.pairs.find((p) => p.matrix === pair.matrix)?.scale;
      if (pair.matrix === matrix && scale !== undefined)
        addends.push({ ...(await readPair(source, pair, signal)), scale });
    }
  return addends;
}

/** A matrix on its way to the sum. */
class Sum {
  readonly #tensor: TensorInfo;
  readonly #type: WeightType;
  readonly #addends: readonly Addend[];
  /** Sums of squares: of what was added, and of what rounding changed. */
  #added = 0;
  #changed = 0;

  constructor(tensor: TensorInfo, type: WeightType, addends: readonly Addend[]) {
    this.#tensor = tensor;
    this.#type = type;
    this.#addends = addends;
  }

  /** Rows of the sum, as they are stored. */
  rows(row: number, rows: number, bytes: Uint8Array): Uint8Array {
    const { name, type, columns } = this.#tensor;
    const count = rows * columns;
    const before = dequantize(type.name, bytes, count);
    const exact = Float64Array.from(before);
    for (const addend of this.#addends) addRows(exact, addend, row, rows, columns);
    const to = this.#type.name;
    const most = largest[to] ?? MOST_FLOAT;
    const odd = exact.findIndex((x) => !(Math.abs(x) <= most));
    if (odd >= 0)
      throw new ModelFormatError(
        `'${name}' gets ${exact[odd]} in row ${row + Math.floor(odd / columns)}, ` +
          `${to.toUpperCase()} holds ${most} at most: lower the adapters' scales`,
      );
    const stored = quantize(to, Float32Array.from(exact));
    const after = dequantize(to, stored, count);
    for (let i = 0; i < count; i++) {
      this.#added += (exact[i] - before[i]) ** 2;
      this.#changed += (exact[i] - after[i]) ** 2;
    }
    return stored;
  }

  get report(): MergedMatrix {
    const { name, type } = this.#tensor;
    const lost = this.#added > 0 ? Math.sqrt(this.#changed / this.#added) : 0;
    return { name, from: type.name, to: this.#type.name, lost };
  }
}

/** sum[i] += scale B[row + i] A, for rows of k columns. */
function addRows(
  sum: Float64Array,
  { a, b, rank, scale }: Addend,
  row: number,
  rows: number,
  k: number,
): void {
  for (let i = 0; i < rows; i++)
    for (let r = 0; r < rank; r++) {
      const by = scale * b[(row + i) * rank + r];
      const [to, from] = [i * k, r * k];
      for (let j = 0; j < k; j++) sum[to + j] += by * a[from + j];
    }
}
