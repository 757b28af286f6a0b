// Gemma 3: most layers see a window of the text and have a rope base of their own, which no scaling
// touches; norms on q and k and behind attention and feed-forward, GELU, embeddings times sqrt(D).
import { type Architecture, attentionSpec, feedForwardSpec, layerSpecs } from './architecture.ts';
import { ropeSpec } from './ropes.ts';
import { windowKeys, windowsOf } from './windows.ts';

/** One layer in so many sees all, where the file does not say. */
const PATTERN = 6;
/** The model of 27B alone divides its scores by the root of D / Hq; no key says so. */
const LAYERS_27B = 62;
const [GLOBAL, LOCAL] = [0, 1];

export const gemma3: Architecture = {
  name: 'gemma3',
  keys: [...windowKeys, 'rope.freq_base_swa', 'final_logit_softcapping'],
  activation: 'gelu',
  describe(shape, read) {
    const { width: D, queryHeads, headDim, layers } = shape;
    const global = ropeSpec(shape, read, { style: 'halves' });
    const local = { ...global, base: read.positive('rope.freq_base_swa', 10000), scale: 1 };
    const cap = read.finite('final_logit_softcapping', 0);
    const windows = windowsOf(shape, read, PATTERN);
    return {
      ropes: [global, local],
      embeddingScale: Math.fround(Math.sqrt(D)),
      logitCap: cap > 0 ? cap : undefined,
      layers: layerSpecs(shape, (layer) => [
        attentionSpec(shape, layer, {
          qkNorm: 'head',
          normAfter: 'post_attention_norm',
          queryScale: layers === LAYERS_27B ? Math.sqrt((headDim * queryHeads) / D) : undefined,
          rope: windows[layer] === undefined ? GLOBAL : LOCAL,
          window: windows[layer],
        }),
        feedForwardSpec(shape, layer, { activation: 'gelu', normAfter: 'post_ffw_norm' }),
      ]),
    };
  },
};
