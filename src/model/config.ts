// A model's shape, read from GGUF metadata and checked once; everything after trusts it.
import { ModelFormatError, UnsupportedError } from '../errors.ts';
import { architectures } from './arch/registry.ts';
import type { Architecture } from './arch/architecture.ts';
import type { Metadata } from './gguf.ts';
import { refuseWhatChanges } from './keys.ts';

/**
 * Letters as in docs: L layers, D width, Hq query heads, Hkv kv heads, d head dimension, F
 * feed-forward width, V vocabulary.
 */
export interface ModelConfig {
  readonly name: string;
  readonly architecture: Architecture;
  readonly layers: number;
  readonly width: number;
  readonly queryHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly feedForward: number;
  /** Tokens of the vocabulary; rows of padding that a file has behind them are left out. */
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

/**
 * Reads the shape. Throws UnsupportedError for an architecture or feature we don't have,
 * ModelFormatError for impossible numbers.
 */
export function readConfig(metadata: Metadata, file: string): ModelConfig {
  const arch = metadata['general.architecture'];
  const architecture = architectures.find((a) => a.name === arch);
  if (!architecture) {
    throw new UnsupportedError(
      `${file}: architecture '${String(arch).slice(0, 80)}'; supported are ` +
        `${architectures.map((a) => a.name).join(', ')}`,
    );
  }
  const number = (key: string, fallback?: number): number => {
    const value = metadata[`${arch}.${key}`];
    if (value === undefined && fallback !== undefined) return fallback;
    if (Array.isArray(value) && value.every((v) => v === value[0])) return Number(value[0]);
    if (Array.isArray(value))
      throw new UnsupportedError(
        `${file}: ${arch}.${key} differs from layer to layer; only equal layers are supported`,
      );
    if (typeof value !== 'number' && typeof value !== 'bigint') {
      throw new ModelFormatError(
        `${file}: metadata '${arch}.${key}' is ` +
          `${value === undefined ? 'missing' : typeof value}, expected a number`,
      );
    }
    return Number(value);
  };
  const count = (key: string, max: number, fallback?: number): number => {
    const value = number(key, fallback);
    if (!Number.isInteger(value) || value < 1 || value > max) {
      throw new ModelFormatError(
        `${file}: metadata '${arch}.${key}' is ${value}, expected a whole number from 1 to ${max}`,
      );
    }
    return value;
  };
  const positive = (key: string, fallback?: number): number => {
    const value = number(key, fallback);
    if (!(value > 0 && Number.isFinite(value)))
      throw new ModelFormatError(
        `${file}: metadata '${arch}.${key}' is ${value}, expected a positive number`,
      );
    return value;
  };

  const contextLength = count('context_length', MAX_CONTEXT);
  const width = count('embedding_length', MAX_WIDTH);
  const queryHeads = count('attention.head_count', MAX_HEADS);
  const kvHeads = count('attention.head_count_kv', MAX_HEADS, queryHeads);
  if (queryHeads % kvHeads !== 0)
    throw new ModelFormatError(
      `${file}: ${queryHeads} query heads cannot share ${kvHeads} kv heads`,
    );
  const headDim = count('attention.key_length', MAX_HEAD_DIM, Math.floor(width / queryHeads));
  if (count('attention.value_length', MAX_HEAD_DIM, headDim) !== headDim) {
    throw new UnsupportedError(
      `${file}: keys of ${headDim} and values of another length; only equal lengths are supported`,
    );
  }
  const ropeDims = count('rope.dimension_count', MAX_HEAD_DIM, headDim);
  if (ropeDims > headDim || ropeDims % 2 !== 0)
    throw new ModelFormatError(`${file}: ${ropeDims} rotated dimensions of a head of ${headDim}`);
  refuseWhatChanges(metadata, architecture.name, { width, headDim, contextLength }, file);
  const tokens = metadata['tokenizer.ggml.tokens'];
  const stated = count(
    'vocab_size',
    MAX_VOCABULARY,
    Array.isArray(tokens) ? tokens.length : undefined,
  );
  return {
    name: String(metadata['general.name'] ?? file),
    architecture,
    layers: count('block_count', MAX_LAYERS),
    width,
    queryHeads,
    kvHeads,
    headDim,
    feedForward: count('feed_forward_length', MAX_WIDTH),
    vocabulary: Array.isArray(tokens) && tokens.length > 0 ? tokens.length : stated,
    contextLength,
    normEps: positive('attention.layer_norm_rms_epsilon'),
    ropeBase: positive('rope.freq_base', 10000),
    ropeDims,
    ropeScale: ropeScale(metadata, architecture.name, number, file),
  };
}

/**
 * What positions are divided by, as llama.cpp finds it: by the factor, or by the older key where
 * there is none; a type that is not told is linear, 0 is no factor, and 'none' ignores both.
 */
function ropeScale(
  metadata: Metadata,
  arch: string,
  number: (key: string, fallback?: number) => number,
  file: string,
): number {
  const type = metadata[`${arch}.rope.scaling.type`] ?? 'linear';
  if (type !== 'none' && type !== 'linear') {
    throw new UnsupportedError(
      `${file}: rope scaling '${String(type).slice(0, 80)}'; supported are none, linear, and ` +
        `frequency factors (Llama 3): choose a model without it`,
    );
  }
  const factor = number('rope.scaling.factor', number('rope.scale_linear', 0));
  if (!(factor >= 0 && Number.isFinite(factor))) {
    throw new ModelFormatError(
      `${file}: positions are scaled by ${factor} ('${arch}.rope.scaling.factor'), expected a ` +
        `positive number`,
    );
  }
  return type === 'none' || factor === 0 ? 1 : factor;
}
