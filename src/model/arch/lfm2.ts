// LFM2: short convolutions, and attention in some layers, with norms on q and k. Its last norm goes
// by the embedding's name. LFM2-MoE: most of its layers have experts, chosen with a bias.
import { UnsupportedError } from '../../errors.ts';
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
import { expertKeys, expertsSpec } from './experts.ts';
import { ropeSpec } from './ropes.ts';

const MOST_TAPS = 1024;
/** llama.cpp's number of the one router there is. */
const SIGMOID = 2;

const keys = ['shortconv.l_cache'];

function describe(
  shape: Shape,
  read: MetadataReader,
  feedForward: (layer: number) => BlockSpec,
): Description {
  const taps = read.count('shortconv.l_cache', MOST_TAPS);
  return {
    ropes: [ropeSpec(shape, read, { style: 'halves' })],
    outputNorm: 'token_embd_norm',
    layers: layerSpecs(shape, (layer) => [
      shape.kvHeadsOf[layer] > 0
        ? attentionSpec(shape, layer, { qkNorm: 'head' })
        : { kind: 'short-convolution', norm: 'attn_norm', width: shape.width, taps },
      feedForward(layer),
    ]),
  };
}

export const lfm2: Architecture = {
  name: 'lfm2',
  activation: 'silu',
  keys,
  describe: (shape, read) => describe(shape, read, (layer) => feedForwardSpec(shape, layer)),
};

export const lfm2moe: Architecture = {
  name: 'lfm2moe',
  activation: 'silu',
  keys: [...keys, ...expertKeys, 'expert_gating_func', 'leading_dense_block_count'],
  describe(shape, read) {
    const gate = read.number('expert_gating_func');
    if (gate !== SIGMOID)
      throw new UnsupportedError(
        `${shape.file}: experts chosen by function ${gate}; lfm2moe's are chosen by a sigmoid ` +
          `(${SIGMOID}): get a copy that was converted anew`,
      );
    const dense = read.number('leading_dense_block_count', 0);
    const experts = expertsSpec(shape, read, { gate: 'sigmoid', choiceBias: true });
    return describe(shape, read, (layer) =>
      layer < dense ? feedForwardSpec(shape, layer) : experts,
    );
  },
};
