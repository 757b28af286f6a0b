// The kinds of blocks there are. A new one: its file, and its line in both lists here.
import { altup, type AltUpSpec } from './altup.ts';
import { attention, type AttentionSpec } from './attention.ts';
import { UnsupportedError } from '../../errors.ts';
import type { Block, Learning, TensorSpecs } from './block.ts';
import { sum } from '../../math/sum.ts';
import { deltaNet, type DeltaNetSpec } from './delta-net.ts';
import { experts, type ExpertsSpec } from './experts.ts';
import { feedForward, type FeedForwardSpec } from './feed-forward.ts';
import { laurel, type LaurelSpec } from './laurel.ts';
import { layerInput, type LayerInputSpec } from './layer-input.ts';
import { layerScale, type LayerScaleSpec } from './layer-scale.ts';
import { mamba2, type Mamba2Spec } from './mamba2.ts';
import { ungated, type UngatedSpec } from './ungated.ts';
import { shortConvolution, type ShortConvolutionSpec } from './short-convolution.ts';

const kinds = {
  attention,
  'feed-forward': feedForward,
  experts,
  'short-convolution': shortConvolution,
  'delta-net': deltaNet,
  mamba2,
  ungated,
  'layer-input': layerInput,
  'layer-scale': layerScale,
  laurel,
  altup,
};
export type BlockSpec =
  | AttentionSpec
  | FeedForwardSpec
  | ExpertsSpec
  | ShortConvolutionSpec
  | DeltaNetSpec
  | Mamba2Spec
  | UngatedSpec
  | LayerInputSpec
  | LayerScaleSpec
  | LaurelSpec
  | AltUpSpec;

/** How a block learns. Throws UnsupportedError where it cannot. */
export function learningOf(spec: BlockSpec): Learning<BlockSpec, TensorSpecs, string> {
  const { learning, unlearned } = blockOf(spec);
  if (!learning) throw unlearnedError(`blocks of ${spec.kind}`);
  const reason = spec.beside ? 'blocks beside each other' : unlearned?.(spec);
  if (reason === undefined) return learning;
  throw unlearnedError(reason);
}

export const unlearnedError = (what: string): UnsupportedError =>
  new UnsupportedError(
    `a model with ${what} can neither be trained nor cut in two yet: choose another, or train ` +
      `it elsewhere and load the adapter`,
  );

/** The blocks of a layer, first to last. */
export type LayerSpec = readonly BlockSpec[];

/** What a spec's block does, whichever kind it is: it is given its own spec and tensors only. */
export const blockOf = ({ kind }: BlockSpec) =>
  kinds[kind] as unknown as Block<BlockSpec, TensorSpecs, string>;

/** Heads of the rows that a layer caches: none without attention, or where it sees another's. */
export function rowsIn(layer: LayerSpec): { readonly kvHeads: number; readonly headDim: number } {
  const own = attentionIn(layer);
  return own && own.rowsOf === undefined ? own : { kvHeads: 0, headDim: own?.headDim ?? 0 };
}

/** Bytes of what a layer keeps of the tokens before, whose number is fixed: 0 of most. */
export const fixedBytesIn = (layer: LayerSpec): number =>
  4 * sum(layer.map((spec) => blockOf(spec).state?.(spec) ?? 0));

/** A layer's attention, where it has one. */
export const attentionIn = (layer: LayerSpec): AttentionSpec | undefined =>
  layer.find((spec) => spec.kind === 'attention');
