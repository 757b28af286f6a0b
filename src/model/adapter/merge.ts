// Adapters merged into a model's own weights, W + sum_i scale_i B_i A_i, as a new GGUF file.
// Rounding a sum to a type of few bits can lose most of an adapter, which is small beside what it
// is added to: how much of each was lost is told.
import { dequantize } from '../../backend/dequantize.ts';
import type { WeightName, WeightType } from '../../backend/dtype.ts';
import { quantize } from '../../backend/quantize.ts';
import { ModelFormatError, UnsupportedError } from '../../errors.ts';
import type { DownloadOptions } from '../download/options.ts';
import type { TensorInfo } from '../gguf.ts';
import type { Header } from '../header.ts';
import type { LoadProgress } from '../load.ts';
import { type MergeType, readModelHeader, rewriteModel, typeFor } from '../rewrite.ts';
import { openModel } from '../parts.ts';
import type { ModelFiles, ModelSource } from '../source.ts';
import { readPair } from './numbers.ts';
import { closeAdapters, type OpenAdapter, openAdapters } from './open.ts';
import type { AdapterOption } from './option.ts';
import type { PairData } from './write.ts';

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
  input: ModelFiles,
  options: MergeOptions,
): Promise<MergedMatrix[]> {
  const source = await openModel(input, options);
  let adapters: OpenAdapter[] = [];
  try {
    const { header, tensors, config } = await readModelHeader(source, options.signal);
    adapters = await openAdapters(options.adapters, { input, config, tensors }, options);
    checkUnscaled(adapters, tensors);
    return await writeMerged(source, header, tensors, adapters, options);
  } finally {
    await closeAdapters(adapters);
    await source.close();
  }
}

/** Throws UnsupportedError for a matrix whose products are scaled: adapters' are not. */
function checkUnscaled(adapters: readonly OpenAdapter[], tensors: readonly TensorInfo[]): void {
  const names = new Set(tensors.map(({ name }) => name));
  const scaled = adapters
    .flatMap(({ spec }) => spec.pairs)
    .find(({ matrix }) => names.has(matrix.replace(/weight$/, 'scale')));
  if (scaled)
    throw new UnsupportedError(
      `'${scaled.matrix}' has a scale of its own, which is not meant for what an adapter adds: ` +
        `load the adapter with the model instead`,
    );
}

async function writeMerged(
  source: ModelSource,
  header: Header,
  tensors: readonly TensorInfo[],
  adapters: readonly OpenAdapter[],
  options: MergeOptions,
): Promise<MergedMatrix[]> {
  const { type: wanted, signal } = options;
  const adapted = new Set(adapters.flatMap(({ spec }) => spec.pairs.map(({ matrix }) => matrix)));
  const merged: MergedMatrix[] = [];
  await rewriteModel(source, header, tensors, {
    ...options,
    typeOf: (tensor) => (adapted.has(tensor.name) ? typeFor(tensor, wanted) : undefined),
    async rowsOf(tensor, type) {
      const sum = new Sum(tensor, type, await addendsOf(tensor.name, adapters, signal));
      return {
        rows: (row, rows, bytes) => sum.rows(row, rows, bytes),
        end: () => merged.push(sum.report),
      };
    },
  });
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
