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

/**
 * The experts of a layer, and one that every token goes to, where the file has it; `isGated`: which
 * is multiplied by the sigmoid of a number of the token's.
 */
export function withShared(
  shape: Shape,
  read: MetadataReader,
  layer: number,
  experts: ExpertsSpec,
  isGated = false,
): BlockSpec[] {
  const { norm, outputScale, activation } = experts;
  if (read.number('expert_shared_feed_forward_length', 0) === 0) return [experts];
  const width = read.count('expert_shared_feed_forward_length', MOST_WIDTH);
  const own = { norm, outputScale, width, suffix: '_shexp', beside: {} };
  if (!isGated) return [experts, feedForwardSpec(shape, layer, own)];
  // a gate of one number is a router that has one expert, which it weighs by a sigmoid
  const one = { experts: 1, used: 1, gate: 'sigmoid', renormalise: false } as const;
  return [experts, { kind: 'experts', activation, router: 'ffn_gate_inp_shexp', ...one, ...own }];
}
