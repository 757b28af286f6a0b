// Keys of models of experts, and their feed-forwards.
import type { BlockSpec } from '../blocks/registry.ts';
import type { ExpertsSpec } from '../blocks/experts.ts';
import type { MetadataReader } from '../metadata.ts';
import { type Shape, feedForwardSpec } from './architecture.ts';

const MOST_EXPERTS = 4096;
const MOST_WIDTH = 2 ** 18;

/** Keys that expertsSpec() follows. */
export const expertKeys = [
  'expert_count',
  'expert_used_count',
  'expert_feed_forward_length',
  'expert_weights_scale',
] as const;
/** The same of sharedExperts(). */
export const sharedKeys = ['expert_shared_feed_forward_length', 'expert_shared_count'] as const;

/** The experts of a layer as most have them: softmax over all, weights that add up to 1. */
export function expertsSpec(
  { feedForward }: Shape,
  read: MetadataReader,
  change: Partial<ExpertsSpec> = {},
): ExpertsSpec {
  const experts = read.count('expert_count', MOST_EXPERTS);
  const used = read.count('expert_used_count', experts);
  const scale = read.finite('expert_weights_scale', 1);
  return {
    kind: 'experts',
    norm: 'ffn_norm',
    experts,
    used,
    width: read.count('expert_feed_forward_length', MOST_WIDTH, feedForward),
    activation: 'silu',
    gate: 'softmax',
    renormalise: true,
    ...(scale !== 0 && scale !== 1 && { weightScale: scale }),
    ...change,
  };
}

/** The experts of a layer, and one that every token goes to, where the file has it. */
export function withShared(
  shape: Shape,
  read: MetadataReader,
  layer: number,
  experts: ExpertsSpec,
  change: { readonly outputGate?: string } = {},
): BlockSpec[] {
  const width = read.number('expert_shared_feed_forward_length', 0);
  if (width === 0) return [experts];
  const { norm, outputScale } = experts;
  const own = { norm, outputScale, suffix: '_shexp', beside: {}, ...change };
  const count = read.count('expert_shared_feed_forward_length', MOST_WIDTH);
  return [experts, feedForwardSpec(shape, layer, { ...own, width: count })];
}
