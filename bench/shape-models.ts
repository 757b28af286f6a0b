// The shapes of models that people run: layers, widths, sizes of vocabulary. `shape-files.ts` makes
// files of them.
import type { MetadataValue, TensorSpec } from '../test/gguf-writer.ts';
import { integers } from './metadata-integers.ts';

export type Metadata = Record<string, MetadataValue>;

export interface Shape {
  readonly name: string;
  readonly architecture: string;
  readonly layers: number;
  readonly width: number;
  readonly feedForward: number;
  readonly vocabulary: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly contextLength: number;
  readonly ropeBase: number;
  readonly eps: number;
  /** Name of the last norm. */
  readonly outputNorm?: string;
  readonly tokenizer: 'gpt2' | 'llama';
  readonly pre: string;
  /** Of delta nets: heads for keys, as many for values. */
  readonly deltaHeads?: number;
  readonly deltaDim?: number;
  /** Keys of the architecture's own. */
  readonly keys: (shape: Shape) => Metadata;
  /** Tensors of a layer, the feed-forward's products apart. */
  readonly layer: (of: LayerTensors, layer: number, shape: Shape) => readonly TensorSpec[];
}

/** What tensors of a layer are made by: names stand behind its number. */
export interface LayerTensors {
  matrix(name: string, rows: number, columns: number): TensorSpec;
  /** Ones, or numbers between two. */
  vector(name: string, count: number, between?: readonly [number, number]): TensorSpec;
  /** Taps of a convolution. */
  taps(name: string, channels: number, taps: number): TensorSpec;
}

/** q, k and v of heads, their norms, and the output; `doubled`: a gate behind each query. */
function attention(of: LayerTensors, shape: Shape, doubled = false): TensorSpec[] {
  const { width: D, heads, kvHeads, headDim: d } = shape;
  return [
    of.matrix('attn_q.weight', (doubled ? 2 : 1) * heads * d, D),
    of.matrix('attn_k.weight', kvHeads * d, D),
    of.matrix('attn_v.weight', kvHeads * d, D),
    of.matrix('attn_output.weight', D, heads * d),
    of.vector('attn_q_norm.weight', d),
    of.vector('attn_k_norm.weight', d),
  ];
}

const DELTA_TAPS = 4;

function deltaNet(of: LayerTensors, { width: D, deltaHeads: H = 0, deltaDim: d = 0 }: Shape) {
  return [
    of.matrix('attn_qkv.weight', 3 * H * d, D),
    of.matrix('attn_gate.weight', H * d, D),
    of.taps('ssm_conv1d.weight', 3 * H * d, DELTA_TAPS),
    of.vector('ssm_dt.bias', H, [-1, 1]),
    of.vector('ssm_a', H, [-1, -0.01]),
    of.matrix('ssm_alpha.weight', H, D),
    of.matrix('ssm_beta.weight', H, D),
    of.vector('ssm_norm.weight', d),
    of.matrix('ssm_out.weight', D, H * d),
  ];
}

const qwen35: Shape = {
  name: 'Qwen3.5-0.8B',
  architecture: 'qwen35',
  layers: 24,
  width: 1024,
  feedForward: 3584,
  vocabulary: 248320,
  heads: 8,
  kvHeads: 2,
  headDim: 256,
  deltaHeads: 16,
  deltaDim: 128,
  contextLength: 262144,
  ropeBase: 1e7,
  eps: 1e-6,
  tokenizer: 'gpt2',
  pre: 'qwen35',
  keys: ({ headDim, deltaHeads: H = 0, deltaDim: d = 0 }) => {
    const pairs = headDim / 8;
    const sections = [Math.ceil(pairs / 3), Math.ceil(pairs / 3)];
    return {
      'rope.dimension_count': 2 * pairs,
      'rope.dimension_sections': integers([...sections, pairs - 2 * sections[0], 0]),
      'ssm.conv_kernel': DELTA_TAPS,
      'ssm.inner_size': H * d,
      'ssm.state_size': d,
      'ssm.time_step_rank': H,
      'ssm.group_count': H,
      full_attention_interval: 4,
    };
  },
  layer: (of, layer, shape) => [
    of.vector('attn_norm.weight', shape.width),
    ...(layer % 4 === 3 ? attention(of, shape, true) : deltaNet(of, shape)),
    of.vector('post_attention_norm.weight', shape.width),
  ],
};

const gemma3: Shape = {
  name: 'Gemma-3-1B',
  architecture: 'gemma3',
  layers: 26,
  width: 1152,
  feedForward: 6912,
  vocabulary: 262144,
  heads: 4,
  kvHeads: 1,
  headDim: 256,
  contextLength: 32768,
  ropeBase: 1e6,
  eps: 1e-6,
  tokenizer: 'llama',
  pre: 'default',
  keys: () => ({ 'attention.sliding_window': 512 }),
  layer: (of, _, shape) => [
    of.vector('attn_norm.weight', shape.width),
    ...attention(of, shape),
    of.vector('post_attention_norm.weight', shape.width),
    of.vector('ffn_norm.weight', shape.width),
    of.vector('post_ffw_norm.weight', shape.width),
  ],
};

const [LFM2_LAYERS, LFM2_TAPS] = [16, 3];
const isAttention = (layer: number): boolean => [2, 5, 8, 10, 12, 14].includes(layer);

const lfm2: Shape = {
  name: 'LFM2-1.2B',
  architecture: 'lfm2',
  layers: LFM2_LAYERS,
  width: 2048,
  feedForward: 8192,
  vocabulary: 65536,
  heads: 32,
  kvHeads: 8,
  headDim: 64,
  contextLength: 128000,
  ropeBase: 1e6,
  eps: 1e-5,
  outputNorm: 'token_embd_norm',
  tokenizer: 'gpt2',
  pre: 'lfm2',
  keys: () => ({
    'attention.head_count_kv': integers(
      Array.from({ length: LFM2_LAYERS }, (_, layer) => (isAttention(layer) ? 8 : 0)),
    ),
    'shortconv.l_cache': LFM2_TAPS,
  }),
  layer(of, layer, shape) {
    const { width: D } = shape;
    const convolution = () => [
      of.matrix('shortconv.in_proj.weight', 3 * D, D),
      of.taps('shortconv.conv.weight', D, LFM2_TAPS),
      of.matrix('shortconv.out_proj.weight', D, D),
    ];
    return [
      of.vector('attn_norm.weight', D),
      ...(isAttention(layer) ? attention(of, shape) : convolution()),
      of.vector('ffn_norm.weight', D),
    ];
  },
};

export const shapes: readonly Shape[] = [qwen35, gemma3, lfm2];

const small = {
  width: 256,
  feedForward: 768,
  vocabulary: 1024,
  headDim: 64,
  contextLength: 8192,
};

/** Small ones of the same kinds, for conversations past their context. */
export const smallShapes: readonly Shape[] = [
  {
    ...gemma3,
    ...small,
    name: 'windowed, like Gemma-3',
    layers: 6,
    keys: () => ({ 'attention.sliding_window': 128 }),
  },
  { ...qwen35, ...small, name: 'hybrid, like Qwen3.5', layers: 4, deltaHeads: 4, deltaDim: 64 },
];
