// Weights in a backend's memory: of a whole model, or of consecutive layers of it.
import type { Backend } from '../backend/backend.ts';
import { dequantize } from '../backend/dequantize.ts';
import type { Address, Tensor, Weight } from '../backend/tensor.ts';
import type { TensorInfo } from './gguf.ts';
import { EMBEDDING, isVector, layerPrefix, type LayerRange, OUTPUT, OUTPUT_NORM, ROPE_FACTORS } from './tensors.ts';

/** One layer's weights; biases and norms on q and k only where the file has them. */
export interface LayerWeights {
  readonly attnNorm: Tensor;
  readonly q: Weight;
  readonly k: Weight;
  readonly v: Weight;
  readonly qBias?: Tensor;
  readonly kBias?: Tensor;
  readonly vBias?: Tensor;
  readonly qNorm?: Tensor;
  readonly kNorm?: Tensor;
  readonly attnOutput: Weight;
  readonly ffnNorm: Tensor;
  readonly gate: Weight;
  readonly up: Weight;
  readonly down: Weight;
}

export interface ModelWeights extends LayerRange {
  /** Where the first layer is among them (or output is tied to it). */
  readonly embedding?: Weight;
  /** Those of layers [first, end). */
  readonly layers: readonly LayerWeights[];
  /** Where the last layer is among them. */
  readonly outputNorm?: Tensor;
  /** The same; the embedding itself where the file has no output of its own (tied). */
  readonly output?: Weight;
  /** Llama 3: each rotary pair's angle is divided by this; f64 [ropeDims / 2]. */
  readonly ropeFactors?: readonly number[];
  readonly bytes: number;
  /** Gives the memory back. */
  free(): void;
}

/** Weights that are being filled. */
export interface WeightStore {
  /** Stores rows `row` .. `row + rows` of a tensor as the file has them; no more of them than rowsAtOnce, one after the other. */
  put(tensor: TensorInfo, row: number, rows: number, bytes: Uint8Array): void;
  /** All of them, once they are filled. */
  finish(): ModelWeights;
  free(): void;
}

/** Rows the backend packs together. */
const GROUP_ROWS = 4;
/** Bytes of a file stored at once: enough to keep a disk busy, little beside any model. */
const CHUNK_BYTES = 1 << 20;

/** How many rows of a tensor are stored at once. */
export function rowsAtOnce({ rows, byteLength }: TensorInfo): number {
  const step = Math.floor(CHUNK_BYTES / (byteLength / rows) / GROUP_ROWS) * GROUP_ROWS;
  return Math.min(rows, Math.max(GROUP_ROWS, step));
}

/** Bytes that tensors take in memory. */
export function weightBytes(backend: Backend, tensors: readonly TensorInfo[]): number {
  return tensors.reduce((sum, { name, rows, columns, type }) => sum + (isVector(name) ? columns * 4 : backend.weightBytes(type, rows, columns)), 0);
}

/**
 * Room for the tensors (tensors.ts) of layers [first, end). The memory grows as rows arrive, to twice what has come at most: what a header says
 * costs nothing. Throws DeviceError where there is no room for all of them; nothing is left reserved then.
 */
export function createWeights(backend: Backend, tensors: readonly TensorInfo[], range: LayerRange): WeightStore {
  const addresses: Address[] = [];
  const free = () => {
    for (const address of addresses.splice(0)) backend.arena.free(address);
  };
  let end = 0;
  const claim = (size: number) => {
    const address = backend.arena.claim(size);
    addresses.push(address);
    end = Math.max(end, address + size);
    return address;
  };
  let reached = 0;
  const reach = (until: number) => {
    if (until <= reached) return;
    reached = Math.min(end, Math.max(until, 2 * reached));
    backend.arena.reach(reached);
  };
  const matrices = new Map<string, Weight>();
  const vectors = new Map<string, Tensor>();
  try {
    // where rows are put together on their way: below the weights, or it would lie where the memory does not reach yet
    const largest = tensors.reduce((most, t) => Math.max(most, rowsAtOnce(t) * (t.byteLength / t.rows)), 0);
    const staging = backend.arena.claim(largest);
    addresses.push(staging);
    for (const { name, type, rows, columns } of tensors) {
      if (isVector(name)) vectors.set(name, { address: claim(columns * 4), columns });
      else matrices.set(name, { address: claim(backend.weightBytes(type, rows, columns)), type, rows, columns });
    }
    backend.arena.free(staging);
    addresses.shift();
  } catch (error) {
    free();
    throw error;
  }
  return {
    put({ name, type, columns }, row, rows, bytes) {
      const weight = matrices.get(name);
      if (weight) {
        reach(weight.address + backend.weightBytes(type, row + rows, columns));
        backend.packRows(weight, row, rows, bytes);
        return;
      }
      reach(vectors.get(name)!.address + columns * 4);
      backend.floats(vectors.get(name)!.address, columns).set(dequantize(type.name, bytes, columns));
    },
    finish() {
      const factors = vectors.get(ROPE_FACTORS);
      const ends = vectors.has(OUTPUT_NORM);
      return {
        ...range,
        embedding: matrices.get(EMBEDDING),
        outputNorm: vectors.get(OUTPUT_NORM),
        output: ends ? (matrices.get(OUTPUT) ?? matrices.get(EMBEDDING)) : undefined,
        ropeFactors: factors && [...backend.floats(factors.address, factors.columns)],
        layers: Array.from({ length: range.end - range.first }, (_, i) => layerOf(layerPrefix(range.first + i), matrices, vectors)),
        bytes: weightBytes(backend, tensors),
        free,
      };
    },
    free,
  };
}

function layerOf(at: string, matrices: ReadonlyMap<string, Weight>, vectors: ReadonlyMap<string, Tensor>): LayerWeights {
  const matrix = (name: string) => matrices.get(at + name)!;
  const vector = (name: string) => vectors.get(at + name)!;
  const optional = (name: string) => vectors.get(at + name);
  return {
    attnNorm: vector('attn_norm.weight'),
    q: matrix('attn_q.weight'),
    k: matrix('attn_k.weight'),
    v: matrix('attn_v.weight'),
    qBias: optional('attn_q.bias'),
    kBias: optional('attn_k.bias'),
    vBias: optional('attn_v.bias'),
    qNorm: optional('attn_q_norm.weight'),
    kNorm: optional('attn_k_norm.weight'),
    attnOutput: matrix('attn_output.weight'),
    ffnNorm: vector('ffn_norm.weight'),
    gate: matrix('ffn_gate.weight'),
    up: matrix('ffn_up.weight'),
    down: matrix('ffn_down.weight'),
  };
}
