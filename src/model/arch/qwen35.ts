// Qwen3.5: gated delta nets in three of four layers, and attention whose output is gated, with
// norms on q and k and positions in several dimensions. With experts: one of them is every token's.
import type { MetadataReader } from '../metadata.ts';
import type { BlockSpec } from '../blocks/registry.ts';
import {
  type Architecture,
  attentionSpec,
  type Description,
  feedForwardSpec,
  layerSpecs,
  type Shape,
} from './architecture.ts';
import { expertKeys, expertsSpec, sharedKeys, withShared } from './experts.ts';
import { ropeSpec } from './ropes.ts';
import { sectionKey, stillPairs } from './sections.ts';
import { deltaNetSpec, ssmKeys } from './ssm.ts';

/** One layer in so many has attention, where the file does not say which. */
const INTERVAL = 4;
const MOST_INTERVAL = 1024;
const intervalKey = 'full_attention_interval';
const listKey = 'attention.recurrent_layers';

const keys = [...ssmKeys, sectionKey, intervalKey, listKey];

/** Whether each layer is a delta net. */
function recurrentLayers({ layers }: Shape, read: MetadataReader): boolean[] {
  const given = read.value(listKey);
  if (given === undefined) {
    const interval = read.count(intervalKey, MOST_INTERVAL, INTERVAL);
    return Array.from({ length: layers }, (_, layer) => (layer + 1) % interval !== 0);
  }
  const isList = Array.isArray(given) && given.length === layers;
  if (!isList || given.some((each) => typeof each !== 'boolean'))
    throw read.wrong(listKey, `true or false for each of ${layers} layers`);
  return given as boolean[];
}

function describe(
  shape: Shape,
  read: MetadataReader,
  feedForward: (layer: number) => BlockSpec[],
): Description {
  const recurrent = recurrentLayers(shape, read);
  const deltaNet = deltaNetSpec(shape, read);
  const rope = ropeSpec(shape, read, { style: 'halves' });
  return {
    ropes: [{ ...rope, still: stillPairs(shape, read) }],
    layers: layerSpecs(shape, (layer) => [
      recurrent[layer]
        ? deltaNet
        : attentionSpec(shape, layer, { qkNorm: 'head', isGated: true, isFused: false }),
      ...feedForward(layer),
    ]),
  };
}

const norm = 'post_attention_norm';

export const qwen35: Architecture = {
  name: 'qwen35',
  activation: 'silu',
  keys,
  describe: (shape, read) =>
    describe(shape, read, (layer) => [feedForwardSpec(shape, layer, { norm })]),
};

export const qwen35moe: Architecture = {
  name: 'qwen35moe',
  activation: 'silu',
  keys: [...keys, ...expertKeys, ...sharedKeys],
  describe: (shape, read) =>
    describe(shape, read, (layer) =>
      withShared(shape, read, layer, expertsSpec(shape, read, { norm }), true),
    ),
};
