// Granite: a llama with multipliers of embeddings, residuals, scores and log-odds.
import {
  type Architecture,
  attentionSpec,
  type Description,
  feedForwardSpec,
  layerSpecs,
  type Shape,
} from './architecture.ts';
import type { AttentionSpec } from '../blocks/attention.ts';
import type { LayerSpec } from '../blocks/registry.ts';
import type { MetadataReader } from '../metadata.ts';
import { ropeSpec } from './ropes.ts';
import { scaleKeys, scalesOf } from './scales.ts';

/** Keys of all of Granite's kinds. */
export const graniteKeys = [...scaleKeys, 'attention.scale'] as const;

/** What is different in the attention of all of Granite's kinds. */
function graniteAttention(
  { headDim }: Shape,
  read: MetadataReader,
  outputScale: number | undefined,
): Partial<AttentionSpec> {
  const scale = read.finite('attention.scale', 0);
  const turns = read.flag('rope.scaling.finetuned', true);
  return {
    outputScale,
    queryScale: scale === 0 ? undefined : scale * Math.sqrt(headDim),
    rope: turns ? 0 : undefined,
  };
}

/** A Granite of layers that `blocksOf` gives, which is told what their attention is. */
export function describeGranite(
  shape: Shape,
  read: MetadataReader,
  blocksOf: (
    layer: number,
    attention: Partial<AttentionSpec>,
    outputScale: number | undefined,
  ) => LayerSpec,
): Description {
  const { outputScale, ...scales } = scalesOf(read, {});
  const attention = graniteAttention(shape, read, outputScale);
  return {
    ...scales,
    ropes: [ropeSpec(shape, read, { style: 'pairs', factors: true })],
    layers: layerSpecs(shape, (layer) => blocksOf(layer, attention, outputScale)),
  };
}

export const granite: Architecture = {
  name: 'granite',
  activation: 'silu',
  keys: graniteKeys,
  describe: (shape, read) =>
    describeGranite(shape, read, (layer, attention, outputScale) => [
      attentionSpec(shape, layer, attention),
      feedForwardSpec(shape, layer, { outputScale }),
    ]),
};
