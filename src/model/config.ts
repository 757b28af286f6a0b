// A model's shape, read from GGUF metadata and checked once; everything after trusts it.
import { ModelFormatError, UnsupportedError } from '../errors.ts';
import type { AdapterSpec } from './adapter/spec.ts';
import type { Architecture, Description, Shape } from './arch/architecture.ts';
import { architectures } from './arch/registry.ts';
import type { LayerSpec } from './blocks/registry.ts';
import type { Metadata } from './gguf.ts';
import { refuseWhatChanges } from './keys.ts';
import { createReader, type MetadataReader } from './metadata.ts';

/**
 * Letters as in docs: L layers, D width, Hq query heads, Hkv kv heads, d head dimension, F
 * feed-forward width, V vocabulary. Plain data: workers are sent it.
 */
export interface ModelConfig extends Omit<Shape, 'file'>, Omit<Description, 'layers'> {
  readonly name: string;
  /** GGUF's name of the architecture. */
  readonly architecture: string;
  /** What each layer consists of. */
  readonly layerSpecs: readonly LayerSpec[];
  /** Tokens of the vocabulary; rows of padding that a file has behind them are left out. */
  readonly vocabulary: number;
  readonly normEps: number;
  /** Adapters that were loaded with it, in the order in which they are added. */
  readonly adapters?: readonly AdapterSpec[];
}

// The largest published models of these architectures stay an order of magnitude below.
const MAX_LAYERS = 1024;
const MAX_WIDTH = 2 ** 18;
const MAX_HEADS = 4096;
const MAX_HEAD_DIM = 1024;
const MAX_VOCABULARY = 2 ** 24;
const MAX_CONTEXT = 2 ** 30;

/**
 * Reads the shape. Throws UnsupportedError for an architecture or feature we don't have,
 * ModelFormatError for impossible numbers.
 */
export function readConfig(metadata: Metadata, file: string): ModelConfig {
  const architecture = findArchitecture(metadata, file);
  const read = createReader(metadata, architecture.name, file);
  const shape = readShape(read, file);
  refuseWhatChanges(metadata, architecture, shape, file);
  const { layers: layerSpecs, ...description } = architecture.describe(shape, read);
  const { file: _, ...numbers } = shape;
  const tokens = metadata['tokenizer.ggml.tokens'];
  const stated = read.count(
    'vocab_size',
    MAX_VOCABULARY,
    Array.isArray(tokens) ? tokens.length : undefined,
  );
  return {
    ...numbers,
    ...description,
    layerSpecs,
    name: String(metadata['general.name'] ?? file),
    architecture: architecture.name,
    vocabulary: Array.isArray(tokens) && tokens.length > 0 ? tokens.length : stated,
    normEps: read.positive('attention.layer_norm_rms_epsilon'),
  };
}

function findArchitecture(metadata: Metadata, file: string): Architecture {
  const name = metadata['general.architecture'];
  const architecture = architectures.find((a) => a.name === name);
  if (architecture) return architecture;
  throw new UnsupportedError(
    `${file}: architecture '${String(name).slice(0, 80)}'; supported are ` +
      `${architectures.map((a) => a.name).join(', ')}`,
  );
}

function readShape(read: MetadataReader, file: string): Shape {
  const contextLength = read.count('context_length', MAX_CONTEXT);
  const width = read.count('embedding_length', MAX_WIDTH);
  const queryHeads = read.count('attention.head_count', MAX_HEADS);
  const kvHeads = read.count('attention.head_count_kv', MAX_HEADS, queryHeads);
  if (queryHeads % kvHeads !== 0)
    throw new ModelFormatError(
      `${file}: ${queryHeads} query heads cannot share ${kvHeads} kv heads`,
    );
  const headDim = read.count('attention.key_length', MAX_HEAD_DIM, Math.floor(width / queryHeads));
  if (read.count('attention.value_length', MAX_HEAD_DIM, headDim) !== headDim) {
    throw new UnsupportedError(
      `${file}: keys of ${headDim} and values of another length; only equal lengths are supported`,
    );
  }
  const ropeDims = read.count('rope.dimension_count', MAX_HEAD_DIM, headDim);
  if (ropeDims > headDim || ropeDims % 2 !== 0)
    throw new ModelFormatError(`${file}: ${ropeDims} rotated dimensions of a head of ${headDim}`);
  return {
    file,
    contextLength,
    width,
    queryHeads,
    kvHeads,
    headDim,
    ropeDims,
    layers: read.count('block_count', MAX_LAYERS),
    feedForward: read.count('feed_forward_length', MAX_WIDTH),
  };
}
