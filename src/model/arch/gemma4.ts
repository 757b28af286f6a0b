// Gemma 4, its text: layers with windows have heads, and a rope, of another size; the last layers
// attend to the rows of earlier ones; each layer has an input of its own; norms everywhere, GELU,
// capped log-odds; experts beside the dense feed-forward, where a file has them.
import { ModelFormatError } from '../../errors.ts';
import type { MetadataReader } from '../metadata.ts';
import type { BlockSpec } from '../blocks/registry.ts';
import {
  type Architecture,
  attentionSpec,
  feedForwardSpec,
  layerSpecs,
  type Shape,
} from './architecture.ts';
import { expertKeys, expertsSpec } from './experts.ts';
import { ropeSpec } from './ropes.ts';
import { rowOwners, sharedRowsKey } from './shared-rows.ts';
import { windowKeys, windowsOf } from './windows.ts';

const LOGIT_CAP = 30;
const MOST = 2 ** 16;
const [GLOBAL, LOCAL] = [0, 1];

const widthKey = 'embedding_length_per_layer_input';
const localKeys = [
  'attention.key_length_swa',
  'attention.value_length_swa',
  'rope.dimension_count_swa',
  'rope.freq_base_swa',
] as const;

/** Heads' dimensions in layers with a window, and how many of them turn. */
function localHeads({ file }: Shape, read: MetadataReader) {
  const headDim = read.count('attention.key_length_swa', MOST);
  const values = read.count('attention.value_length_swa', MOST, headDim);
  if (values !== headDim)
    throw new ModelFormatError(
      `${file}: keys of ${headDim} and values of ${values} in layers with a window; only equal ` +
        `lengths are supported`,
    );
  return { headDim, ropeDims: read.count('rope.dimension_count_swa', MOST, headDim) };
}

/** The dense feed-forward, and experts beside it where a file has them. */
function feedForwardOf(shape: Shape, read: MetadataReader, layer: number): BlockSpec[] {
  const activation = 'gelu' as const;
  const normAfter = 'post_ffw_norm';
  if (read.number('expert_count', 0) === 0)
    return [feedForwardSpec(shape, layer, { activation, normAfter })];
  return [
    feedForwardSpec(shape, layer, { activation, normAfter: 'post_ffw_norm_1' }),
    expertsSpec(shape, read, {
      activation,
      norm: 'pre_ffw_norm_2',
      normAfter: 'post_ffw_norm_2',
      beside: { norm: normAfter },
      routerNorm: 'ffn_gate_inp.scale',
      isFused: shape.has(`blk.${layer}.ffn_gate_up_exps.weight`),
    }),
  ];
}

export const gemma4: Architecture = {
  name: 'gemma4',
  activation: 'gelu',
  keys: [
    ...windowKeys,
    ...localKeys,
    ...expertKeys,
    widthKey,
    sharedRowsKey,
    'final_logit_softcapping',
  ],
  describe(shape, read) {
    const windows = windowsOf(shape, read, 1);
    const local = localHeads(shape, read);
    const ownerOf = rowOwners(shape, read, windows);
    const width = read.number(widthKey);
    const cap = read.finite('final_logit_softcapping', LOGIT_CAP);
    const global = ropeSpec(shape, read, { style: 'halves', factors: true });
    const base = read.positive('rope.freq_base_swa', 10000);
    const { style } = global;
    return {
      ropes: [global, { style, dims: local.ropeDims, base, scale: 1 }],
      embeddingScale: Math.fround(Math.sqrt(shape.width)),
      output: 'tied',
      logitCap: cap === 0 ? undefined : cap,
      ...(width > 0 && { layerInputs: { width: read.count(widthKey, MOST) } }),
      layers: layerSpecs(shape, (layer) => {
        const isLocal = windows[layer] !== undefined;
        const headDim = isLocal ? local.headDim : shape.headDim;
        const has = (tensor: string) => shape.has(`blk.${layer}.${tensor}`);
        return [
          attentionSpec(shape, layer, {
            headDim,
            queryScale: Math.sqrt(headDim),
            qkNorm: 'head',
            vNorm: true,
            valuesAreKeys: !has('attn_v.weight'),
            normAfter: 'post_attention_norm',
            rope: isLocal ? LOCAL : GLOBAL,
            window: windows[layer],
            rowsOf: ownerOf(layer),
          }),
          ...feedForwardOf(shape, read, layer),
          ...(width > 0 ? [{ kind: 'layer-input', width, normAfter: 'post_norm' } as const] : []),
          { kind: 'layer-scale' },
        ];
      }),
    };
  },
};
