// What an architecture is: a reader of a file's metadata that says what a model consists of, as
// data. It computes nothing: blocks do (blocks/). Ropes are in ropes.ts, windows in windows.ts.
import type { AttentionSpec } from '../blocks/attention.ts';
import type { FeedForwardSpec } from '../blocks/feed-forward.ts';
import type { UngatedSpec } from '../blocks/ungated.ts';
import type { LayerSpec } from '../blocks/registry.ts';
import type { LayerInputsSpec } from '../layer-inputs.ts';
import type { MetadataReader } from '../metadata.ts';
import type { RopeSpec } from '../rotary.ts';
import { ropeSpec } from './ropes.ts';

/** What every file says of its model, checked. Letters as in config.ts. */
export interface Shape {
  readonly file: string;
  readonly layers: number;
  readonly width: number;
  readonly queryHeads: number;
  /** Of layers that have any; of each, where they differ: 0 where there is no attention. */
  readonly kvHeads: number;
  readonly kvHeadsOf: readonly number[];
  readonly headDim: number;
  /** The same of a feed-forward block's width. */
  readonly feedForward: number;
  readonly feedForwardOf: readonly number[];
  /** Positions that the model was trained with, or fewer where its user says so. */
  readonly contextLength: number;
  /** Leading dimensions of a head that are rotated. */
  readonly ropeDims: number;
  readonly normEps: number;
  /** Whether the file has a tensor. */
  has(tensor: string): boolean;
}

/** What a model consists of. */
export interface Description {
  /** Ways in which positions are rotated into queries and keys; layers name theirs by number. */
  readonly ropes: readonly RopeSpec[];
  /** What embeddings are multiplied by. Default 1. */
  readonly embeddingScale?: number | undefined;
  readonly layers: readonly LayerSpec[];
  /** Inputs that each layer has of its own. Default: none. */
  readonly layerInputs?: LayerInputsSpec;
  /** Streams of hidden states (streams.ts). Default: one. */
  readonly streams?: number;
  /** Name of the norm behind the last layer. Default 'output_norm'. */
  readonly outputNorm?: string;
  /**
   * Whether a file has a matrix of its own for the output ('own'), or the embedding is meant
   * ('tied'). Default: as the file has it.
   */
  readonly output?: 'own' | 'tied';
  /** What log-odds are multiplied by, and then bounded by, c tanh(x / c). Default: nothing. */
  readonly logitScale?: number | undefined;
  readonly logitCap?: number | undefined;
}

export interface Architecture {
  /** GGUF's name, 'general.architecture'. */
  readonly name: string;
  /** What gates its feed-forward blocks. */
  readonly activation: FeedForwardSpec['activation'] | 'relu-squared';
  /** Keys that describe() follows, beside those that every architecture has (keys.ts). */
  readonly keys: readonly string[];
  /** Throws UnsupportedError and ModelFormatError for what it cannot follow. */
  describe(shape: Shape, read: MetadataReader): Description;
}

/** What stands in front of the names of a layer's tensors. */
const inLayer = (layer: number, tensor: string): string => `blk.${layer}.${tensor}`;

/** Attention as most have it: a norm in front, all rows seen, rope 0. */
export const attentionSpec = (
  { queryHeads, kvHeadsOf, headDim, has }: Shape,
  layer: number,
  change: Partial<AttentionSpec> = {},
): AttentionSpec => ({
  kind: 'attention',
  norm: 'attn_norm',
  queryHeads,
  kvHeads: kvHeadsOf[layer],
  headDim,
  rope: 0,
  ...(has(inLayer(layer, 'attn_qkv.weight')) && { isFused: true }),
  ...change,
});

/** The feed-forward block as most have it: a norm in front, gated by SiLU. */
export const feedForwardSpec = (
  { feedForwardOf }: Shape,
  layer: number,
  change: Partial<FeedForwardSpec> = {},
): FeedForwardSpec => ({
  kind: 'feed-forward',
  norm: 'ffn_norm',
  width: feedForwardOf[layer],
  activation: 'silu',
  ...change,
});

/** A feed-forward without a gate, a norm in front. */
export const ungatedSpec = (
  { feedForwardOf }: Shape,
  layer: number,
  change: Partial<UngatedSpec> = {},
): UngatedSpec => ({ kind: 'ungated', norm: 'ffn_norm', width: feedForwardOf[layer], ...change });

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
      attentionSpec(shape, layer, change(layer)),
      feedForwardSpec(shape, layer),
    ]),
  });
