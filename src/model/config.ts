// A model's shape, read from GGUF metadata and checked once; everything after trusts it.
import { ModelFormatError, OptionError, UnsupportedError } from '../errors.ts';
import type { AdapterSpec } from './adapter/spec.ts';
import type { Architecture, Description, Shape } from './arch/architecture.ts';
import { architectures } from './arch/registry.ts';
import type { LayerSpec } from './blocks/registry.ts';
import type { Metadata } from './gguf.ts';
import { refuseWhatChanges } from './keys.ts';
import { createReader, type MetadataReader } from './metadata.ts';
import { itemsIn } from './text-list.ts';

/**
 * Letters as in docs: L layers, D width, Hq query heads, Hkv kv heads, d head dimension, F
 * feed-forward width, V vocabulary. Plain data: workers are sent it.
 */
export interface ModelConfig extends Omit<Shape, 'file' | 'has'>, Omit<Description, 'layers'> {
  readonly name: string;
  /** GGUF's name of the architecture. */
  readonly architecture: string;
  /** What each layer consists of. */
  readonly layerSpecs: readonly LayerSpec[];
  /** Tokens of the vocabulary; rows of padding that a file has behind them are left out. */
  readonly vocabulary: number;
  /** Adapters that were loaded with it, in the order in which they are added. */
  readonly adapters?: readonly AdapterSpec[];
}

export interface ConfigOptions {
  /** Tensors of the file: what is there decides how some models are read. */
  readonly tensors?: readonly { readonly name: string }[];
  /** Positions at most; default: as many as the model was trained with. */
  readonly contextLength?: number | undefined;
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
 * ModelFormatError for impossible numbers, OptionError for more positions than the model has.
 */
export function readConfig(
  metadata: Metadata,
  file: string,
  { tensors = [], contextLength }: ConfigOptions = {},
): ModelConfig {
  const architecture = findArchitecture(metadata, file);
  const read = createReader(metadata, architecture.name, file);
  const names = new Set(tensors.map(({ name }) => name));
  const shape = { ...readShape(read, file, contextLength), has: (name: string) => names.has(name) };
  refuseWhatChanges(metadata, architecture, shape, file);
  const { layers: layerSpecs, ...description } = architecture.describe(shape, read);
  const { file: _, has: __, ...numbers } = shape;
  const tokens = itemsIn(metadata, 'tokenizer.ggml.tokens');
  const stated = read.count('vocab_size', MAX_VOCABULARY, tokens);
  return {
    ...numbers,
    ...description,
    layerSpecs,
    name: String(metadata['general.name'] ?? file),
    architecture: architecture.name,
    vocabulary: tokens || stated,
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

function readShape(
  read: MetadataReader,
  file: string,
  wanted: number | undefined,
): Omit<Shape, 'has'> {
  const trained = read.count('context_length', MAX_CONTEXT);
  if (wanted !== undefined && wanted > trained)
    throw new OptionError(
      `contextLength is ${wanted}, the model was trained with ${trained}: leave it out, or make ` +
        `it smaller (a conversation of any length fits into it)`,
    );
  const width = read.count('embedding_length', MAX_WIDTH);
  const queryHeads = read.count('attention.head_count', MAX_HEADS);
  const layers = read.count('block_count', MAX_LAYERS);
  const kvHeadsOf = read.each('attention.head_count_kv', layers, MAX_HEADS, queryHeads);
  const kvHeads = kvHeadsOf.find((heads) => heads > 0) ?? 0;
  if (kvHeads === 0) throw read.wrong('attention.head_count_kv', 'heads in some layer at least');
  const odd = kvHeadsOf.find((heads) => heads > 0 && queryHeads % heads !== 0);
  if (odd !== undefined)
    throw new ModelFormatError(`${file}: ${queryHeads} query heads cannot share ${odd} kv heads`);
  const headDim = read.count('attention.key_length', MAX_HEAD_DIM, Math.floor(width / queryHeads));
  if (read.count('attention.value_length', MAX_HEAD_DIM, headDim) !== headDim) {
    throw new UnsupportedError(
      `${file}: keys of ${headDim} and values of another length; only equal lengths are supported`,
    );
  }
  const ropeDims = read.count('rope.dimension_count', MAX_HEAD_DIM, headDim);
  if (ropeDims > headDim || ropeDims % 2 !== 0)
    throw new ModelFormatError(`${file}: ${ropeDims} rotated dimensions of a head of ${headDim}`);
  const feedForwardOf = read.each('feed_forward_length', layers, MAX_WIDTH);
  const feedForward = Math.max(...feedForwardOf);
  if (feedForward === 0) throw read.wrong('feed_forward_length', 'a width in some layer at least');
  return {
    file,
    contextLength: wanted ?? trained,
    width,
    queryHeads,
    kvHeads,
    headDim,
    ropeDims,
    layers,
    kvHeadsOf,
    feedForward,
    feedForwardOf,
    normEps: read.positive('attention.layer_norm_rms_epsilon'),
  };
}
