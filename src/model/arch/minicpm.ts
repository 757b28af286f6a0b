// MiniCPM: a llama with multipliers, which older files leave to who reads them.
import { type Architecture, attentionSpec, feedForwardSpec, layerSpecs } from './architecture.ts';
import { ropeSpec } from './ropes.ts';
import { scaleKeys, scalesOf } from './scales.ts';

const EMBEDDING = 12;
/** Divided by the root of the number of layers. */
const RESIDUAL = 1.4;
/** Log-odds are divided by so many times less than the width. */
const LOGIT_WIDTH = 256;

export const minicpm: Architecture = {
  name: 'minicpm',
  activation: 'silu',
  keys: scaleKeys,
  describe(shape, read) {
    const { outputScale, ...scales } = scalesOf(read, {
      embedding: EMBEDDING,
      residual: RESIDUAL / Math.sqrt(shape.layers),
      logits: LOGIT_WIDTH / shape.width,
    });
    return {
      ...scales,
      ropes: [ropeSpec(shape, read, { style: 'pairs', factors: true })],
      layers: layerSpecs(shape, (layer) => [
        attentionSpec(shape, layer, { outputScale }),
        feedForwardSpec(shape, layer, { outputScale }),
      ]),
    };
  },
};
