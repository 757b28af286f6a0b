// What an architecture is: a reader of a file's metadata that says what a model consists of, as
// data. It computes nothing: blocks do (blocks/).
import { ModelFormatError, UnsupportedError } from '../../errors.ts';
import type { AttentionSpec } from '../blocks/attention.ts';
import type { FeedForwardSpec } from '../blocks/feed-forward.ts';
import type { LayerSpec } from '../blocks/registry.ts';
import type { MetadataReader } from '../metadata.ts';
import type { RopeSpec } from '../rotary.ts';

/** What every file says of its model, checked. Letters as in config.ts. */
export interface Shape {
  readonly file: string;
  readonly layers: number;
  readonly width: number;
  readonly queryHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly feedForward: number;
  readonly contextLength: number;
  /** Leading dimensions of a head that are rotated. */
  readonly ropeDims: number;
}

/** What a model consists of. */
export interface Description {
  /** Ways in which positions are rotated into queries and keys; layers name theirs by number. */
  readonly ropes: readonly RopeSpec[];
  /** What embeddings are multiplied by. Default 1. */
  readonly embeddingScale?: number;
  readonly layers: readonly LayerSpec[];
}

export interface Architecture {
  /** GGUF's name, 'general.architecture'. */
  readonly name: string;
  /** What gates its feed-forward blocks. */
  readonly activation: FeedForwardSpec['activation'];
  /** Keys that describe() follows, beside those that every architecture has (keys.ts). */
  readonly keys: readonly string[];
  /** Throws UnsupportedError and ModelFormatError for what it cannot follow. */
  describe(shape: Shape, read: MetadataReader): Description;
}

/** The rope that a file's common keys describe. */
export function ropeSpec(
  { ropeDims, file }: Shape,
  read: MetadataReader,
  { style, factors = false }: Pick<RopeSpec, 'style'> & Partial<Pick<RopeSpec, 'factors'>>,
): RopeSpec {
  const base = read.positive('rope.freq_base', 10000);
  return { style, factors, base, dims: ropeDims, scale: scaleOf(read, file) };
}

/**
 * What positions are divided by, as llama.cpp finds it: by the factor, or by the older key where
 * there is none; a type that is not told is linear, 0 is no factor, and 'none' ignores both.
 */
function scaleOf(read: MetadataReader, file: string): number {
  const type = read.value('rope.scaling.type') ?? 'linear';
  if (type !== 'none' && type !== 'linear') {
    throw new UnsupportedError(
      `${file}: rope scaling '${String(type).slice(0, 80)}'; supported are none, linear, and ` +
        `frequency factors (Llama 3): choose a model without it`,
    );
  }
  const factor = read.number('rope.scaling.factor', read.number('rope.scale_linear', 0));
  if (!(factor >= 0 && Number.isFinite(factor)))
    throw new ModelFormatError(
      `${file}: positions are scaled by ${factor} ('rope.scaling.factor'), expected a positive ` +
        `number`,
    );
  return type === 'none' || factor === 0 ? 1 : factor;
}

/** No text is longer. */
const MAX_WINDOW = 2 ** 30;

/**
 * The window of each layer, in tokens, undefined where it sees all: one layer in `pattern` does,
 * where the file does not say which.
 */
export function windowsOf(
  { layers }: Shape,
  read: MetadataReader,
  pattern: number,
): (number | undefined)[] {
  const windowKey = 'attention.sliding_window';
  const patternKey = 'attention.sliding_window_pattern';
  if (read.number(windowKey, 0) === 0) return new Array(layers).fill(undefined);
  const window = read.count(windowKey, MAX_WINDOW);
  const given = read.value(patternKey);
  if (Array.isArray(given)) {
    if (given.length !== layers || given.some((local) => typeof local !== 'boolean'))
      throw read.wrong(patternKey, `a number, or true or false for each of ${layers} layers`);
    return given.map((local) => (local ? window : undefined));
  }
  const period = read.count(patternKey, MAX_WINDOW, pattern);
  return Array.from({ length: layers }, (_, i) => (i % period < period - 1 ? window : undefined));
}

/** Attention as most have it: a norm in front, all rows seen, rope 0. */
export const attentionSpec = (
  { queryHeads, kvHeads, headDim }: Shape,
  change: Partial<AttentionSpec> = {},
): AttentionSpec => ({
  kind: 'attention',
  norm: 'attn_norm',
  queryHeads,
  kvHeads,
  headDim,
  rope: 0,
  qkNorm: false,
  ...change,
});

/** The feed-forward block as most have it: a norm in front, gated by SiLU. */
export const feedForwardSpec = (
  { feedForward }: Shape,
  change: Partial<FeedForwardSpec> = {},
): FeedForwardSpec => ({
  kind: 'feed-forward',
  norm: 'ffn_norm',
  width: feedForward,
  activation: 'silu',
  ...change,
});

/** Every layer of a model, `of` being given its number. */
export const layerSpecs = ({ layers }: Shape, of: (layer: number) => LayerSpec): LayerSpec[] =>
  Array.from({ length: layers }, (_, layer) => of(layer));

/**
 * A model of one rope whose layers are attention and a feed-forward block; `change` tells what is
 * different in a layer's attention.
 */
export const plainLayers =
  (
    rope: Parameters<typeof ropeSpec>[2],
    change: (layer: number) => Partial<AttentionSpec> = () => ({}),
  ): Architecture['describe'] =>
  (shape, read) => ({
    ropes: [ropeSpec(shape, read, rope)],
    layers: layerSpecs(shape, (layer) => [
      attentionSpec(shape, change(layer)),
      feedForwardSpec(shape),
    ]),
  });
