// Weights in a backend's memory: of a whole model, or of consecutive layers of it.
import type { Backend } from '../backend/backend.ts';
import type { Address, Tensor, Weight } from '../backend/tensor.ts';
import { tensorOf } from './adapter/spec.ts';
import type { ModelConfig } from './config.ts';
import { sum } from '../math/sum.ts';
import type { TensorInfo, TensorPart } from './gguf.ts';
import { fused, type MatrixSpec, type RowsPart } from './blocks/block.ts';
import { bindLayer, type Layer, type NamedTensor, nameOfPart, type TensorFinder } from './layer.ts';
import {
  INPUT_NORM,
  INPUT_PROJECTION,
  INPUT_TABLE,
  type LayerInputWeights,
} from './layer-inputs.ts';
import type { AdapterPair, Linear } from './linear.ts';
import { MERGE, SPREAD, streamMatrices, type StreamWeights } from './streams.ts';
import { expertsRows, Filling, type Reserved } from './filling.ts';
import {
  EMBEDDING,
  pieceRows,
  layerPrefix,
  type LayerRange,
  OUTPUT,
  outputNormOf,
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
  /** What makes the inputs that each layer has of its own, where a model has such. */
  readonly layerInputs?: LayerInputWeights | undefined;
  /** What makes several streams of hidden states and mixes them again, where a model has such. */
  readonly streams?: StreamWeights | undefined;
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

/** Weights that are being filled. */
export interface WeightStore {
  /** Memory that rows can be read to before they are put there; where none can, undefined. */
  place(tensor: TensorInfo, row: number, rows: number): Uint8Array | undefined;
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
  tensor.experts && !tensor.isNumbers && !tensor.parts
    ? [{ ...tensor, rows: expertsRows(tensor) }]
    : partsOf(tensor);

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

const joined = (
  first: readonly AdapterPair[] = [],
  second: readonly AdapterPair[] = [],
): readonly AdapterPair[] | undefined =>
  first.length + second.length > 0 ? [...first, ...second] : undefined;

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

/** Matrices that no block owns. */
const linearsOf = (find: TensorFinder, specs: readonly MatrixSpec[]): Linear[] =>
  specs.map(({ name, part }) => ({
    weight: find.matrix(nameOfPart(`${name}.weight`, part))!,
    scale: find.number(`${name}.scale`),
  }));

/** What makes several streams of hidden states, and mixes them again, of layers [first, end). */
function streamsOf(
  { streams, layers, width: D }: ModelConfig,
  { first, end }: LayerRange,
  find: TensorFinder,
): StreamWeights | undefined {
  if (streams === undefined) return undefined;
  const all = (name: string) => linearsOf(find, streamMatrices(name, streams, D));
  return { spread: first === 0 ? all(SPREAD) : [], merge: end === layers ? all(MERGE) : [] };
}

/** What makes the inputs that each layer has of its own. */
function layerInputsOf(
  { layerInputs, layers, width: D }: ModelConfig,
  find: TensorFinder,
): LayerInputWeights | undefined {
  if (!layerInputs) return undefined;
  const rows = new Array<number>(layers).fill(layerInputs.width);
  return {
    table: find.matrix(INPUT_TABLE)!,
    projections: linearsOf(find, fused(INPUT_PROJECTION, rows, D)),
    norm: find.vector(INPUT_NORM)!,
  };
}

/** What adapters have for a matrix, or for some of its rows, among the matrices in memory. */
function adaptersOf(
  { adapters = [] }: ModelConfig,
  name: string,
  part: RowsPart | undefined,
  matrices: ReadonlyMap<string, Weight>,
): AdapterPair[] | undefined {
  const found = adapters.flatMap(({ pairs }, i) =>
    pairs
      .filter(({ matrix }) => matrix === name)
      .map(({ scale }): AdapterPair => {
        const rows = tensorOf(nameOfPart(name, part), 'lora_b', i);
        return { a: matrices.get(tensorOf(name, 'lora_a', i))!, b: matrices.get(rows)!, scale };
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
  const reserved = reserve(backend, tensors);
  const { matrices, vectors, free } = reserved;
  const filling = new Filling(backend, reserved);
  return {
    place: (tensor, row, rows) => filling.place(tensor, row, rows),
    put: (tensor, row, rows, bytes) => filling.put(tensor, row, rows, bytes),
    finish() {
      const ends = vectors.has(outputNormOf(config));
      const find = {
        matrix: (name: string) => matrices.get(name),
        vector: (name: string) => vectors.get(name),
        number: (name: string) => filling.numbers.get(name),
        adapters: (name: string, part?: RowsPart) => adaptersOf(config, name, part, matrices),
      };
      const bind = (more: TensorFinder['adapters'] = () => undefined): ModelWeights => ({
        ...range,
        embedding: matrices.get(EMBEDDING),
        outputNorm: vectors.get(outputNormOf(config)),
        outputNormName: outputNormOf(config),
        output: ends ? (matrices.get(OUTPUT) ?? matrices.get(EMBEDDING)) : undefined,
        factors: filling.factors,
        layerInputs: range.first === 0 ? layerInputsOf(config, find) : undefined,
        streams: streamsOf(config, range, find),
        layers: config.layerSpecs.slice(range.first, range.end).map((spec, i) =>
          bindLayer(spec, config.width, layerPrefix(range.first + i), {
            ...find,
            adapters: (name, part) => joined(find.adapters(name, part), more(name, part)),
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
