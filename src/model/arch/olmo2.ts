// OLMo 2 and 3: norms behind attention and feed-forward alone, q and k normed over their whole
// width; OLMo 3 with windows, whose layers have plain RoPE.
import { type Architecture, attentionSpec, feedForwardSpec, layerSpecs } from './architecture.ts';
import { ropeSpec } from './ropes.ts';
import { windowKeys, windowsOf } from './windows.ts';

/** One layer in so many sees all, where the file does not say. */
const PATTERN = 4;
const [GLOBAL, LOCAL] = [0, 1];

export const olmo2: Architecture = {
  name: 'olmo2',
  activation: 'silu',
  keys: windowKeys,
  describe(shape, read) {
    const global = ropeSpec(shape, read, { style: 'halves' });
    const { style, dims, base } = global;
    const windows = windowsOf(shape, read, PATTERN);
    return {
      ropes: [global, { style, dims, base, scale: 1 }],
      output: 'own',
      layers: layerSpecs(shape, (layer) => [
        attentionSpec(shape, layer, {
          norm: undefined,
          normAfter: 'post_attention_norm',
          qkNorm: 'width',
          rope: windows[layer] === undefined ? GLOBAL : LOCAL,
          window: windows[layer],
        }),
        feedForwardSpec(shape, layer, { norm: undefined, normAfter: 'post_ffw_norm' }),
      ]),
    };
  },
};
