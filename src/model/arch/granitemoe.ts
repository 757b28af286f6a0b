// Granite with experts; and its hybrids, most of whose layers are Mamba-2, with experts or without.
import { type Architecture, attentionSpec, feedForwardSpec, type Shape } from './architecture.ts';
import type { BlockSpec } from '../blocks/registry.ts';
import type { MetadataReader } from '../metadata.ts';
import { expertKeys, expertsSpec, sharedKeys, withShared } from './experts.ts';
import { describeGranite, graniteKeys } from './granite.ts';
import { mamba2Spec, ssmKeys } from './ssm.ts';

const moeKeys = [...graniteKeys, ...expertKeys, ...sharedKeys];

/** Experts, and what every token goes to. */
const expertsOf = (
  shape: Shape,
  read: MetadataReader,
  layer: number,
  outputScale: number | undefined,
): BlockSpec[] => withShared(shape, read, layer, expertsSpec(shape, read, { outputScale }));

export const granitemoe: Architecture = {
  name: 'granitemoe',
  activation: 'silu',
  keys: moeKeys,
  describe: (shape, read) =>
    describeGranite(shape, read, (layer, attention, outputScale) => [
      attentionSpec(shape, layer, attention),
      ...expertsOf(shape, read, layer, outputScale),
    ]),
};

export const granitehybrid: Architecture = {
  name: 'granitehybrid',
  activation: 'silu',
  keys: [...moeKeys, ...ssmKeys],
  describe(shape, read) {
    const hasExperts = read.number('expert_count', 0) > 0;
    return describeGranite(shape, read, (layer, attention, outputScale) => [
      shape.kvHeadsOf[layer] > 0
        ? attentionSpec(shape, layer, attention)
        : mamba2Spec(shape, read, { outputScale }),
      ...(hasExperts
        ? expertsOf(shape, read, layer, outputScale)
        : [feedForwardSpec(shape, layer, { outputScale })]),
    ]);
  },
};
