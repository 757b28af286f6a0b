// A model's shape, read from GGUF metadata and checked once; everything after trusts it.
import { ModelFormatError, UnsupportedError } from '../errors.ts';
import { architectures } from './arch/registry.ts';
import type { Architecture } from './arch/architecture.ts';
import type { Metadata } from './gguf.ts';

/** Letters as in docs: L layers, D width, Hq query heads, Hkv kv heads, d head dimension, F feed-forward width, V vocabulary. */
export interface ModelConfig {
  readonly name: string;
  readonly architecture: Architecture;
  readonly layers: number;
  readonly width: number;
  readonly queryHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly feedForward: number;
  readonly vocabulary: number;
  /** Positions the model was trained on. */
  readonly contextLength: number;
  readonly normEps: number;
  readonly ropeBase: number;
  /** Leading dimensions of a head that are rotated. */
  readonly ropeDims: number;
  /** Positions are divided by this (linear scaling); 1 as a rule. */
  readonly ropeScale: number;
}

// The largest published models of these architectures stay an order of magnitude below.
const MAX_LAYERS = 1024;
const MAX_WIDTH = 2 ** 18;
const MAX_HEADS = 4096;
const MAX_HEAD_DIM = 1024;
const MAX_VOCABULARY = 2 ** 24;
const MAX_CONTEXT = 2 ** 30;

/** Reads the shape. Throws UnsupportedError for an architecture or feature we don't have, ModelFormatError for impossible numbers. */
export function readConfig(metadata: Metadata, file: string): ModelConfig {
  const arch = metadata['general.architecture'];
  const architecture = architectures.find((a) => a.name === arch);
  if (!architecture) {
    throw new UnsupportedError(`${file}: architecture '${String(arch).slice(0, 80)}'; supported are ${architectures.map((a) => a.name).join(', ')}`);
  }
  const number = (key: string, fallback?: number): number => {
    const value = metadata[`${arch}.${key}`];
    if (value === undefined && fallback !== undefined) return fallback;
    if (Array.isArray(value) && value.every((v) => v === value[0])) return Number(value[0]);
    if (Array.isArray(value)) throw new UnsupportedError(`${file}: ${arch}.${key} differs from layer to layer; only equal layers are supported`);
    if (typeof value !== 'number' && typeof value !== 'bigint') {
      throw new ModelFormatError(`${file}: metadata '${arch}.${key}' is ${value === undefined ? 'missing' : typeof value}, expected a number`);
    }
    return Number(value);
  };
  const count = (key: string, max: number, fallback?: number): number => {
    const value = number(key, fallback);
    if (!Number.isInteger(value) || value < 1 || value > max) {
      throw new ModelFormatError(`${file}: metadata '${arch}.${key}' is ${value}, expected a whole number from 1 to ${max}`);
    }
    return value;
  };
  const positive = (key: string, fallback: number): number => {
    const value = number(key, fallback);
    if (!(value > 0 && Number.isFinite(value))) throw new ModelFormatError(`${file}: metadata '${arch}.${key}' is ${value}, expected a positive number`);
    return value;
  };

  if (Number(metadata[`${arch}.expert_count`] ?? 0) > 0) throw new UnsupportedError(`${file}: a mixture of experts; only dense models are supported`);
  const scaling = metadata[`${arch}.rope.scaling.type`] ?? 'none';
  if (scaling !== 'none' && scaling !== 'linear') {
    throw new UnsupportedError(`${file}: rope scaling '${scaling}'; supported are none, linear, and frequency factors (Llama 3)`);
  }
  const width = count('embedding_length', MAX_WIDTH);
  const queryHeads = count('attention.head_count', MAX_HEADS);
  const kvHeads = count('attention.head_count_kv', MAX_HEADS, queryHeads);
  if (queryHeads % kvHeads !== 0) throw new ModelFormatError(`${file}: ${queryHeads} query heads cannot share ${kvHeads} kv heads`);
  const headDim = count('attention.key_length', MAX_HEAD_DIM, Math.floor(width / queryHeads));
  if (count('attention.value_length', MAX_HEAD_DIM, headDim) !== headDim) {
    throw new UnsupportedError(`${file}: keys of ${headDim} and values of another length; only equal lengths are supported`);
  }
  const ropeDims = count('rope.dimension_count', MAX_HEAD_DIM, headDim);
  if (ropeDims > headDim || ropeDims % 2 !== 0) throw new ModelFormatError(`${file}: ${ropeDims} rotated dimensions of a head of ${headDim}`);
  const tokens = metadata['tokenizer.ggml.tokens'];
  const vocabulary = count('vocab_size', MAX_VOCABULARY, Array.isArray(tokens) ? tokens.length : undefined);
  return {
    name: String(metadata['general.name'] ?? file),
    architecture,
    layers: count('block_count', MAX_LAYERS),
    width,
    queryHeads,
    kvHeads,
    headDim,
    feedForward: count('feed_forward_length', MAX_WIDTH),
    vocabulary,
    contextLength: count('context_length', MAX_CONTEXT),
    normEps: positive('attention.layer_norm_rms_epsilon', 1e-5),
    ropeBase: positive('rope.freq_base', 10000),
    ropeDims,
    ropeScale: scaling === 'linear' ? positive('rope.scaling.factor', 1) : 1,
  };
}
