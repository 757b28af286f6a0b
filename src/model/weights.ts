// Weights in a backend's memory: of a whole model, or of consecutive layers of it.
import type { Backend } from '../backend/backend.ts';
import { dequantize } from '../backend/dequantize.ts';
import { expertRows } from '../backend/experts.ts';
import type { Address, Tensor, Weight } from '../backend/tensor.ts';
import { sides, tensorOf } from './adapter/spec.ts';
import type { ModelConfig } from './config.ts';
import { sum } from '../math/sum.ts';
import type { TensorInfo, TensorPart } from './gguf.ts';
import { bindLayer, type Layer, type NamedTensor, type TensorFinder } from './layer.ts';
import type { AdapterPair } from './linear.ts';
import { PartRows } from './part-rows.ts';
import {
  EMBEDDING,
  pieceRows,
  layerPrefix,
  type LayerRange,
  OUTPUT,
  outputNormOf,
  isFactors,
} from './tensors.ts';

export interface ModelWeights extends LayerRange {
  /** Where the first layer is among them (or output is tied to it). */
  readonly embedding?: Weight;
  /** Those of layers [first, end). */
  readonly layers: readonly Layer[];
  /** Where the last layer is among them. */
  readonly outputNorm?: Tensor;
  /** What the file calls it. */
  readonly outputNormName: string;
  /** The same; the embedding itself where the file has no output of its own (tied). */
  readonly output?: Weight;
  /** What angles of rotary pairs are divided by, [dims / 2], by the names that files have. */
  readonly factors: ReadonlyMap<string, readonly number[]>;
  readonly bytes: number;
  /** The same weights with more adapters, whose memory is another's. */
  withAdapters(adapters: TensorFinder['adapters']): ModelWeights;
  /** Gives the memory back. */
  free(): void;
}

/** All matrices and vectors, by the names that files have for them. */
export function namedTensors(weights: ModelWeights): NamedTensor[] {
  const { embedding, output, outputNorm, layers } = weights;
  return [
    ...(embedding ? [{ name: EMBEDDING, at: embedding }] : []),
    ...layers.flatMap(({ parameters }) => parameters),
    ...(outputNorm ? [{ name: weights.outputNormName, at: outputNorm }] : []),
    ...(output && output !== embedding ? [{ name: OUTPUT, at: output }] : []),
  ];
}

/** Whether a tensor's rows are kept one behind the other. */
const isWhole = (tensor: TensorInfo): boolean =>
  !tensor.parts && expertsRows(tensor) === tensor.rows;

interface Piece extends TensorPart {
  readonly to: number;
  readonly isPadded?: boolean;
}

/** What its rows are cut into otherwise, and the row of a matrix that each begins. */
function piecesOf({ name, rows, experts = 1, parts }: TensorInfo): Piece[] {
  if (parts) return parts.map((part) => ({ ...part, to: 0 }));
  const count = rows / experts;
  return Array.from({ length: experts }, (_, e) => ({
    ...{ name, period: rows, from: e * count, count, isPadded: true },
    to: e * expertRows(count),
  }));
}

/** All numbers of a tensor. */
const whole = (name: string, columns: number): TensorPart => ({
  name,
  period: columns,
  from: 0,
  count: columns,
});

/** Weights that are being filled. */
export interface WeightStore {
  /**
   * Stores rows `row` .. `row + rows` of a tensor as the file has them; `row` is a multiple of
   * GROUP_ROWS, and so is `rows` but for the last ones.
   */
  put(tensor: TensorInfo, row: number, rows: number, bytes: Uint8Array): void;
  /** All of them, once they are filled. */
  finish(): ModelWeights;
  free(): void;
}

/** Bytes that tensors take in memory. */
export function weightBytes(backend: Backend, tensors: readonly TensorInfo[]): number {
  return sum(tensors.flatMap(heldAs).map((held) => bytesOf(backend, held)));
}

/** What a tensor is kept as: numbers, or a matrix. */
type Held = Pick<TensorInfo, 'name' | 'type' | 'rows' | 'columns' | 'isNumbers'>;

/** What a file's tensor is kept as: itself, or several. */
const heldAs = (tensor: TensorInfo): Held[] =>
  tensor.experts && !tensor.isNumbers
    ? [{ ...tensor, rows: expertsRows(tensor) }]
    : partsOf(tensor);

/** Rows of all experts, each beginning a group of rows (ExpertMatrix). */
const expertsRows = ({ rows, experts = 1 }: TensorInfo): number =>
  experts * expertRows(rows / experts);

const partsOf = (tensor: TensorInfo): Held[] =>
  tensor.parts?.map((part) => {
    const { rows, columns } = partShape(tensor, part);
    return { ...tensor, name: part.name, rows, columns };
  }) ?? [tensor];

/** A part of a matrix is rows of it, one of a bias some of its numbers. */
const partShape = (
  { rows, columns, isNumbers }: TensorInfo,
  { period, count }: TensorPart,
): Pick<Held, 'rows' | 'columns'> =>
  isNumbers
    ? { rows, columns: (columns / period) * count }
    : { rows: (rows / period) * count, columns };

const bytesOf = (backend: Backend, { type, rows, columns, isNumbers }: Held): number =>
  isNumbers ? rows * columns * 4 : backend.weightBytes(type, rows, columns);

/** Memory that is made ready ahead of what arrives, so that it does not grow with every piece. */
const AHEAD_BYTES = 16 << 20;

const joined = (
  first: readonly AdapterPair[] = [],
  second: readonly AdapterPair[] = [],
): readonly AdapterPair[] | undefined =>
  first.length + second.length > 0 ? [...first, ...second] : undefined;

/** Where tensors will lie. */
interface Reserved {
  readonly matrices: ReadonlyMap<string, Weight>;
  readonly vectors: ReadonlyMap<string, Tensor>;
  /** Behind the last of them. */
  readonly end: Address;
  free(): void;
}

/** Reserves addresses; the memory behind them is not there yet. */
function reserve(backend: Backend, tensors: readonly TensorInfo[]): Reserved {
  const { arena } = backend;
  const addresses: Address[] = [];
  const free = () => {
    for (const address of addresses.splice(0)) arena.free(address);
  };
  const matrices = new Map<string, Weight>();
  const vectors = new Map<string, Tensor>();
  let end = 0;
  // a place below the weights for what backends put beside them while they pack: behind them the
  // memory would grow as far
  let below: Address | undefined;
  try {
    below = arena.plan(
      tensors.reduce((most, t) => Math.max(most, pieceRows(t) * (t.byteLength / t.rows)), 0),
    );
    for (const held of tensors.flatMap(heldAs)) {
      const { name, type, rows, columns, isNumbers } = held;
      const bytes = bytesOf(backend, held);
      const address = arena.plan(bytes);
      addresses.push(address);
      end = Math.max(end, address + bytes);
      if (isNumbers) vectors.set(name, { address, columns });
      else matrices.set(name, { address, type, rows, columns });
    }
    return { matrices, vectors, end, free };
  } catch (error) {
    free();
    throw error;
  } finally {
    if (below !== undefined) arena.free(below);
  }
}

/** What adapters have for a matrix, among the matrices in memory. */
function adaptersOf(
  { adapters = [] }: ModelConfig,
  matrix: string,
  matrices: ReadonlyMap<string, Weight>,
): AdapterPair[] | undefined {
  const found = adapters.flatMap(({ pairs }, i) =>
    pairs
      .filter((pair) => pair.matrix === matrix)
      .map(({ scale }): AdapterPair => {
        const [a, b] = sides.map((side) => matrices.get(tensorOf(matrix, side, i))!);
        return { a, b, scale };
      }),
  );
  return found.length > 0 ? found : undefined;
}

/**
 * Reserves addresses for the tensors (tensors.ts) of layers [first, end); the memory grows as
 * their rows arrive, in order, so that a header that lies about them costs nothing. Throws
 * DeviceError where addresses end; nothing is left reserved then.
 */
export function createWeights(
  backend: Backend,
  config: ModelConfig,
  tensors: readonly TensorInfo[],
  range: LayerRange,
): WeightStore {
  const { arena } = backend;
  const { matrices, vectors, end, free } = reserve(backend, tensors);
  const factors = new Map<string, readonly number[]>();
  const numbers = new Map<string, number>();
  const parts = new Map<string, PartRows>();
  const touch = (to: Address) =>
    arena.touch(Math.min(end, Math.ceil(to / AHEAD_BYTES) * AHEAD_BYTES));
  const putNumbers = (
    { name, type, rows: all, columns, parts: cut }: TensorInfo,
    row: number,
    rows: number,
    bytes: Uint8Array,
  ) => {
    const all32 = Float32Array.from(dequantize(type.name, bytes, rows * columns));
    if (all * columns === 1) numbers.set(name, all32[0]);
    if (isFactors(name)) factors.set(name, [...all32]);
    for (const { name: own, from, count, period } of cut ?? [whole(name, columns)]) {
      const kept = all32.filter((_, i) => i % period >= from && i % period < from + count);
      const to = vectors.get(own)!.address + row * (columns / period) * count * 4;
      touch(to + kept.byteLength);
      backend.write(to, kept);
    }
  };
  const putRows = (name: string, row: number, rows: number, bytes: Uint8Array) => {
    const weight = matrices.get(name)!;
    const { address, type, rows: all, columns } = weight;
    touch(address + backend.weightBytes(type, Math.min(all, row + rows), columns));
    backend.packRows(weight, row, rows, bytes);
  };
  return {
    put(tensor, row, rows, bytes) {
      if (tensor.isNumbers) putNumbers(tensor, row, rows, bytes);
      else if (isWhole(tensor)) putRows(tensor.name, row, rows, bytes);
      else
        for (const { name, to, ...part } of piecesOf(tensor)) {
          const key = `${name} ${to}`;
          const own = parts.get(key) ?? new PartRows(part, tensor.rows);
          parts.set(key, own);
          own.take(row, rows, bytes, (at, count, some) => putRows(name, to + at, count, some));
        }
    },
    finish() {
      const ends = vectors.has(outputNormOf(config));
      const find = {
        matrix: (name: string) => matrices.get(name),
        vector: (name: string) => vectors.get(name),
        number: (name: string) => numbers.get(name),
        adapters: (name: string) => adaptersOf(config, name, matrices),
      };
      const bind = (more: TensorFinder['adapters'] = () => undefined): ModelWeights => ({
        ...range,
        embedding: matrices.get(EMBEDDING),
        outputNorm: vectors.get(outputNormOf(config)),
        outputNormName: outputNormOf(config),
        output: ends ? (matrices.get(OUTPUT) ?? matrices.get(EMBEDDING)) : undefined,
        factors,
        layers: config.layerSpecs.slice(range.first, range.end).map((spec, i) =>
          bindLayer(spec, config.width, layerPrefix(range.first + i), {
            ...find,
            adapters: (name) => joined(find.adapters(name), more(name)),
          }),
        ),
        bytes: weightBytes(backend, tensors),
        withAdapters: bind,
        free,
      });
      return bind();
    },
    free,
  };
}
