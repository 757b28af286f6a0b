// Gemma 3n, its text: four streams of hidden states, of which a layer computes on the first
// (AltUp); a residual of low rank beside attention (Laurel); gates of the first layers keep a
// twentieth; the last layers attend to the rows of earlier ones; each layer has an input of its
// own.
import { SPARSE_DEVIATIONS } from '../../backend/product.ts';
import { UnsupportedError } from '../../errors.ts';
import type { FeedForwardSpec } from '../blocks/feed-forward.ts';
import type { MetadataReader } from '../metadata.ts';
import {
  type Architecture,
  attentionSpec,
  feedForwardSpec,
  layerSpecs,
  type Shape,
} from './architecture.ts';
import { ropeSpec } from './ropes.ts';
import { rowOwners, sharedRowsKey } from './shared-rows.ts';
import { windowKeys, windowsOf } from './windows.ts';

/** One layer in so many sees all, where the file does not say. */
const PATTERN = 5;
/** The first layers have rows of their own, those before them sparse gates, where it does not. */
const OWN_ROWS = 20;
const SPARSE_LAYERS = 10;
/** Columns of a layer's own input, streams, and the log-odds' bound, where it does not. */
const INPUT_WIDTH = 256;
const STREAMS = 4;
const LOGIT_CAP = 30;
/** No key tells. */
const LAUREL_RANK = 64;
const MOST = 2 ** 16;
const MOST_STREAMS = 16;
const [GLOBAL, LOCAL] = [0, 1];

const widthKey = 'embedding_length_per_layer_input';
const streamsKey = 'altup.num_inputs';
const activeKey = 'altup.active_idx';
const sparsityKey = 'activation_sparsity_scale';

/** What gates each layer: the file tells by how many deviations, and by -Infinity where by none. */
function activationsOf(
  { layers, file }: Shape,
  read: MetadataReader,
): (layer: number) => FeedForwardSpec['activation'] {
  const given = read.value(sparsityKey);
  if (given === undefined) return (layer) => (layer < SPARSE_LAYERS ? 'sparse-gelu' : 'gelu');
  if (!Array.isArray(given) || given.length !== layers)
    throw read.wrong(sparsityKey, `one number for each of ${layers} layers`);
  const activations = given.map((deviations: unknown) => {
    if (deviations === Number.NEGATIVE_INFINITY) return 'gelu';
    if (Math.abs(Number(deviations) - SPARSE_DEVIATIONS) < 1e-5) return 'sparse-gelu';
    throw new UnsupportedError(
      `${file}: metadata 'gemma3n.${sparsityKey}' has ${String(deviations).slice(0, 80)}, ` +
        `expected ${SPARSE_DEVIATIONS} (a twentieth of the gates open) or -Infinity (all of ` +
        `them): choose a plain gemma3n model`,
    );
  });
  return (layer) => activations[layer];
}

/** Streams of hidden states. Throws UnsupportedError where the first is not what layers change. */
function streamsOf({ file }: Shape, read: MetadataReader): number {
  const streams = read.count(streamsKey, MOST_STREAMS, STREAMS);
  const active = read.number(activeKey, 0);
  if (streams < 2) throw read.wrong(streamsKey, 'two streams or more');
  if (active !== 0)
    throw new UnsupportedError(
      `${file}: metadata 'gemma3n.${activeKey}' is ${active}: we follow models whose layers ` +
        `compute on stream 0 only; choose a plain gemma3n model`,
    );
  return streams;
}

export const gemma3n: Architecture = {
  name: 'gemma3n',
  activation: 'gelu',
  keys: [
    ...windowKeys,
    'rope.freq_base_swa',
    sharedRowsKey,
    widthKey,
    streamsKey,
    activeKey,
    sparsityKey,
    'final_logit_softcapping',
  ],
  describe(shape, read) {
    const { layers, headDim } = shape;
    const windows = windowsOf(shape, read, PATTERN);
    const ownerOf = rowOwners(shape, read, windows, Math.max(0, layers - OWN_ROWS));
    const activationOf = activationsOf(shape, read);
    const streams = streamsOf(shape, read);
    const width = read.count(widthKey, MOST, INPUT_WIDTH);
    const cap = read.finite('final_logit_softcapping', LOGIT_CAP);
    const global = ropeSpec(shape, read, { style: 'halves' });
    const local = { ...global, base: read.positive('rope.freq_base_swa', 10000), scale: 1 };
    const altup = { kind: 'altup', norm: 'altup_router_norm', streams } as const;
    return {
      ropes: [global, local],
      embeddingScale: Math.fround(Math.sqrt(shape.width)),
      logitCap: cap > 0 ? cap : undefined,
      layerInputs: { width },
      streams,
      layers: layerSpecs(shape, (layer) => [
        { ...altup, step: 'predict' },
        attentionSpec(shape, layer, {
          queryScale: Math.sqrt(headDim),
          qkNorm: 'head',
          vNorm: true,
          normAfter: 'post_attention_norm',
          rope: windows[layer] === undefined ? GLOBAL : LOCAL,
          window: windows[layer],
          rowsOf: ownerOf(layer),
        }),
        { kind: 'laurel', norm: 'attn_norm', rank: LAUREL_RANK, beside: {} },
        { kind: 'layer-scale', by: Math.SQRT1_2 },
        feedForwardSpec(shape, layer, {
          activation: activationOf(layer),
          normAfter: 'post_ffw_norm',
        }),
        { ...altup, step: 'correct' },
        {
          kind: 'layer-input',
          width,
          inputScale: 'altup_correct_scale',
          normAfter: 'post_norm',
          toOthers: true,
        },
      ]),
    };
  },
};
