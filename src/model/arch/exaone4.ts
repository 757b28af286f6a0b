// EXAONE 4: norms behind attention and feed-forward alone; the model of 32B has windows, and its
// other layers know no positions.
import { type Architecture, attentionSpec, feedForwardSpec, layerSpecs } from './architecture.ts';
import { ropeSpec } from './ropes.ts';
import { windowKeys, windowsOf } from './windows.ts';

const PATTERN = 4;
/** Layers of the one model whose window counts; no key says so. */
const LAYERS_32B = 64;

export const exaone4: Architecture = {
  name: 'exaone4',
  activation: 'silu',
  keys: windowKeys,
  describe(shape, read) {
    const isLarge = shape.layers === LAYERS_32B;
    const windows = isLarge
      ? windowsOf(shape, read, PATTERN)
      : new Array<undefined>(shape.layers).fill(undefined);
    const hasWindows = windows.some((window) => window !== undefined);
    return {
      ropes: [ropeSpec(shape, read, { style: 'halves', factors: true })],
      layers: layerSpecs(shape, (layer) => [
        attentionSpec(shape, layer, {
          norm: undefined,
          normAfter: 'post_attention_norm',
          qkNorm: 'head',
          rope: hasWindows && windows[layer] === undefined ? undefined : 0,
          window: windows[layer],
        }),
        feedForwardSpec(shape, layer, { norm: undefined, normAfter: 'post_ffw_norm' }),
      ]),
    };
  },
};
