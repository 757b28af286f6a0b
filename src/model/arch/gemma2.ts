// Gemma 2: every other layer sees a window; scores and log-odds are capped; norms behind attention
// and feed-forward, GELU, embeddings times sqrt(D).
import { type Architecture, attentionSpec, feedForwardSpec, layerSpecs } from './architecture.ts';
import { ropeSpec } from './ropes.ts';
import { windowKeys, windowsOf } from './windows.ts';

/** One layer in so many sees all, where the file does not say; and the window of the others. */
const PATTERN = 2;
const WINDOW = 4096;
const ATTENTION_CAP = 50;
const LOGIT_CAP = 30;
/** The model of 27B alone divides its scores by the root of D / Hq; no key says so. */
const LAYERS_27B = 46;

export const gemma2: Architecture = {
  name: 'gemma2',
  activation: 'gelu',
  keys: [...windowKeys, 'attn_logit_softcapping', 'final_logit_softcapping'],
  describe(shape, read) {
    const { width: D, queryHeads, headDim, layers } = shape;
    const windows = windowsOf(shape, read, PATTERN, WINDOW);
    const cap = read.finite('attn_logit_softcapping', ATTENTION_CAP);
    const logitCap = read.finite('final_logit_softcapping', LOGIT_CAP);
    return {
      ropes: [ropeSpec(shape, read, { style: 'halves' })],
      embeddingScale: Math.fround(Math.sqrt(D)),
      output: 'tied',
      logitCap: logitCap === 0 ? undefined : logitCap,
      layers: layerSpecs(shape, (layer) => [
        attentionSpec(shape, layer, {
          normAfter: 'post_attention_norm',
          cap: cap === 0 ? undefined : cap,
          queryScale: layers === LAYERS_27B ? Math.sqrt((headDim * queryHeads) / D) : undefined,
          window: windows[layer],
        }),
        feedForwardSpec(shape, layer, { activation: 'gelu', normAfter: 'post_ffw_norm' }),
      ]),
    };
  },
};
