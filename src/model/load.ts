// Weights from a file into a backend's memory: each tensor is checked against the shape that the configuration implies, then packed a
// few rows at a time, so that loading holds the weights once and a small piece of the file, never the file twice.
import type { Backend } from '../backend/backend.ts';
import { dequantize } from '../backend/dequantize.ts';
import type { Address, Tensor, Weight } from '../backend/tensor.ts';
import { ModelFormatError, UnsupportedError } from '../errors.ts';
import type { ModelConfig } from './config.ts';
import type { GgufFile } from './gguf.ts';
import type { ModelSource } from './source.ts';

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

export interface ModelWeights {
  readonly embedding: Weight;
  readonly layers: readonly LayerWeights[];
  readonly outputNorm: Tensor;
  /** The embedding itself where the file has no output of its own (tied). */
  readonly output: Weight;
  /** Llama 3: each rotary pair's angle is divided by this; f64 [ropeDims / 2]. */
  readonly ropeFactors?: readonly number[];
  readonly bytes: number;
  /** Gives the memory back. */
  free(): void;
}

export interface LoadProgress {
  readonly loadedBytes: number;
  readonly totalBytes: number;
}

/** Bytes of a file read at once: enough to keep a disk busy, little beside any model. */
const CHUNK_BYTES = 1 << 20;
/** Rows the backend packs together. */
const GROUP_ROWS = 4;
/** Bytes of work between two looks at the abort signal. */
const YIELD_BYTES = 16 << 20;

/**
 * Loads all weights. Throws ModelFormatError for a missing, misshapen or truncated tensor, UnsupportedError for one we would have to
 * ignore, DeviceError where memory ends, the signal's reason when aborted; whatever was allocated is freed.
 */
export async function loadWeights(
  source: ModelSource,
  file: GgufFile,
  config: ModelConfig,
  backend: Backend,
  options: { onProgress?: (progress: LoadProgress) => void; signal?: AbortSignal } = {},
): Promise<ModelWeights> {
  const { width: D, feedForward: F, queryHeads, kvHeads, headDim: d, vocabulary: V } = config;
  const wanted = new Map<string, readonly [rows: number, columns: number]>();
  const optional = new Set<string>();
  const want = (name: string, rows: number, columns: number) => wanted.set(name, [rows, columns]);
  const wantIfThere = (name: string, columns: number) => {
    want(name, 1, columns);
    optional.add(name);
  };
  want('token_embd.weight', V, D);
  want('output_norm.weight', 1, D);
  want('output.weight', V, D);
  optional.add('output.weight');
  wantIfThere('rope_freqs.weight', config.ropeDims / 2);
  for (let i = 0; i < config.layers; i++) {
    const at = `blk.${i}.`;
    want(`${at}attn_norm.weight`, 1, D);
    want(`${at}attn_q.weight`, queryHeads * d, D);
    want(`${at}attn_k.weight`, kvHeads * d, D);
    want(`${at}attn_v.weight`, kvHeads * d, D);
    want(`${at}attn_output.weight`, D, queryHeads * d);
    want(`${at}ffn_norm.weight`, 1, D);
    want(`${at}ffn_gate.weight`, F, D);
    want(`${at}ffn_up.weight`, F, D);
    want(`${at}ffn_down.weight`, D, F);
    wantIfThere(`${at}attn_q.bias`, queryHeads * d);
    wantIfThere(`${at}attn_k.bias`, kvHeads * d);
    wantIfThere(`${at}attn_v.bias`, kvHeads * d);
    if (config.architecture.qkNorm) {
      want(`${at}attn_q_norm.weight`, 1, d);
      want(`${at}attn_k_norm.weight`, 1, d);
    }
  }
  const byName = new Map(file.tensors.map((t) => [t.name, t]));
  for (const info of file.tensors) {
    const shape = wanted.get(info.name);
    if (!shape) {
      throw new UnsupportedError(
        `${source.name}: tensor '${info.name.slice(0, 80)}' is not part of a ${config.architecture.name} model as we run it; leaving it out would change the answers: choose a plain ${config.architecture.name} model`,
      );
    }
    const vector = shape[0] === 1;
    if (info.rows !== shape[0] || info.columns !== shape[1]) {
      throw new ModelFormatError(`${source.name}: tensor '${info.name}' is [${info.rows}, ${info.columns}], the metadata imply [${shape[0]}, ${shape[1]}]`);
    }
    if (vector && !['f32', 'f16', 'bf16'].includes(info.type.name)) {
      throw new UnsupportedError(`${source.name}: vector '${info.name}' is ${info.type.name.toUpperCase()}; vectors must be F32, F16 or BF16`);
    }
  }
  for (const name of wanted.keys()) {
    if (!byName.has(name) && !optional.has(name)) throw new ModelFormatError(`${source.name}: tensor '${name}' is missing`);
  }

  const addresses: Address[] = [];
  const free = () => {
    for (const address of addresses.splice(0)) backend.arena.free(address);
  };
  const matrices = new Map<string, Weight>();
  const vectors = new Map<string, Tensor>();
  let bytes = 0;
  const allocate = (size: number) => {
    const address = backend.arena.allocate(size);
    addresses.push(address);
    bytes += size;
    return address;
  };
  try {
    const totalBytes = file.tensors.reduce((sum, t) => sum + t.byteLength, 0);
    let loadedBytes = 0;
    let sinceYield = 0;
    for (const info of file.tensors) {
      const isVector = wanted.get(info.name)?.[0] === 1;
      if (isVector) vectors.set(info.name, { address: allocate(info.columns * 4), columns: info.columns });
      else
        matrices.set(info.name, {
          address: allocate(backend.weightBytes(info.type, info.rows, info.columns)),
          type: info.type,
          rows: info.rows,
          columns: info.columns,
        });
    }
    for (const info of file.tensors) {
      const rowBytes = info.byteLength / info.rows;
      const step = Math.max(GROUP_ROWS, Math.floor(CHUNK_BYTES / rowBytes / GROUP_ROWS) * GROUP_ROWS);
      for (let row = 0; row < info.rows; row += step) {
        options.signal?.throwIfAborted();
        const rows = Math.min(step, info.rows - row);
        const offset = info.offset + row * rowBytes;
        source.forget(offset);
        const chunk = await source.read(offset, rows * rowBytes);
        if (chunk.length < rows * rowBytes) {
          throw new ModelFormatError(
            `${source.name}: ends inside tensor '${info.name}', at byte ${offset + chunk.length}: the file was cut off, get another copy`,
          );
        }
        const weight = matrices.get(info.name);
        if (!weight) backend.floats(vectors.get(info.name)!.address, info.columns).set(dequantize(info.type.name, chunk, info.columns));
        else backend.packRows(weight, row, rows, chunk);
        loadedBytes += rows * rowBytes;
        sinceYield += rows * rowBytes;
        options.onProgress?.({ loadedBytes, totalBytes });
        if (sinceYield > YIELD_BYTES) {
          sinceYield = 0;
          await new Promise((resolve) => setTimeout(resolve, 0));
        }
      }
    }
    const matrix = (name: string) => matrices.get(name)!;
    const vector = (name: string) => vectors.get(name)!;
    const factors = vectors.get('rope_freqs.weight');
    return {
      embedding: matrix('token_embd.weight'),
      outputNorm: vector('output_norm.weight'),
      output: matrices.get('output.weight') ?? matrix('token_embd.weight'),
      ropeFactors: factors && [...backend.floats(factors.address, factors.columns)],
      layers: Array.from({ length: config.layers }, (_, i) => {
        const at = `blk.${i}.`;
        return {
          attnNorm: vector(`${at}attn_norm.weight`),
          q: matrix(`${at}attn_q.weight`),
          k: matrix(`${at}attn_k.weight`),
          v: matrix(`${at}attn_v.weight`),
          qBias: vectors.get(`${at}attn_q.bias`),
          kBias: vectors.get(`${at}attn_k.bias`),
          vBias: vectors.get(`${at}attn_v.bias`),
          qNorm: vectors.get(`${at}attn_q_norm.weight`),
          kNorm: vectors.get(`${at}attn_k_norm.weight`),
          attnOutput: matrix(`${at}attn_output.weight`),
          ffnNorm: vector(`${at}ffn_norm.weight`),
          gate: matrix(`${at}ffn_gate.weight`),
          up: matrix(`${at}ffn_up.weight`),
          down: matrix(`${at}ffn_down.weight`),
        };
      }),
      bytes,
      free,
    };
  } catch (error) {
    free();
    throw error;
  }
}
