// The kinds of blocks there are. A new one: its file, and its line in both lists here.
import { attention, type AttentionSpec } from './attention.ts';
import type { Block, TensorSpecs } from './block.ts';
import { feedForward, type FeedForwardSpec } from './feed-forward.ts';

const kinds = { attention, 'feed-forward': feedForward };
export type BlockSpec = AttentionSpec | FeedForwardSpec;

/** The blocks of a layer, first to last. */
export type LayerSpec = readonly BlockSpec[];

/** What a spec's block does, whichever kind it is: it is given its own spec and tensors only. */
export const blockOf = ({ kind }: BlockSpec) =>
  kinds[kind] as unknown as Block<BlockSpec, TensorSpecs, string>;

/** A layer's attention, where it has one. */
export const attentionIn = (layer: LayerSpec): AttentionSpec | undefined =>
  layer.find((spec) => spec.kind === 'attention');
