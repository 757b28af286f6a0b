// Models that people run, as random weights in files that every engine loads: their layers, widths
// and sizes of vocabulary, and the types that llama.cpp's quantiser gives them for Q4_K
// (embeddings, which are the output too, in Q6_K; where rows are no multiple of 256, Q5_0 and
// Q8_0). Tokens are letters, and names that no text has.
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { createRandom } from '../src/math/rng.ts';
import { type MetadataValue, type TensorSpec, writeGguf } from '../test/gguf-writer.ts';
import { randomBlocks, typeFor } from './random-blocks.ts';

type Metadata = Record<string, MetadataValue>;

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
  /** Keys of the architecture's own. */
  readonly keys: Metadata;
  /** Tensors of a layer, the feed-forward's products apart. */
  readonly layer: (of: LayerTensors, layer: number, shape: Shape) => readonly TensorSpec[];
}

/** What tensors of a layer are made by: names stand behind its number. */
interface LayerTensors {
  matrix(name: string, rows: number, columns: number): TensorSpec;
  /** Ones, or numbers between two. */
  vector(name: string, count: number, between?: readonly [number, number]): TensorSpec;
  /** Taps of a convolution. */
  taps(name: string, channels: number, taps: number): TensorSpec;
}

/** Whole numbers of 32 bits with a sign, which some keys must be. */
function integers(values: readonly number[]): MetadataValue {
  const bytes = new DataView(new ArrayBuffer(16 + 4 * values.length));
  bytes.setUint32(0, 9, true); // an array
  bytes.setUint32(4, 5, true); // of i32
  bytes.setBigUint64(8, BigInt(values.length), true);
  for (const [i, value] of values.entries()) bytes.setInt32(16 + 4 * i, value, true);
  return { raw: new Uint8Array(bytes.buffer) };
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

/** Qwen3.5-0.8B's delta nets: 16 heads of 128 for keys, as many for values, 4 taps. */
const [DELTA_HEADS, DELTA_DIM, DELTA_TAPS] = [16, 128, 4];

function deltaNet(of: LayerTensors, { width: D }: Shape): TensorSpec[] {
  const inner = DELTA_HEADS * DELTA_DIM;
  return [
    of.matrix('attn_qkv.weight', 3 * inner, D),
    of.matrix('attn_gate.weight', inner, D),
    of.taps('ssm_conv1d.weight', 3 * inner, DELTA_TAPS),
    of.vector('ssm_dt.bias', DELTA_HEADS, [-1, 1]),
    of.vector('ssm_a', DELTA_HEADS, [-1, -0.01]),
    of.matrix('ssm_alpha.weight', DELTA_HEADS, D),
    of.matrix('ssm_beta.weight', DELTA_HEADS, D),
    of.vector('ssm_norm.weight', DELTA_DIM),
    of.matrix('ssm_out.weight', D, inner),
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
  contextLength: 262144,
  ropeBase: 1e7,
  eps: 1e-6,
  tokenizer: 'gpt2',
  pre: 'qwen35',
  keys: {
    'rope.dimension_count': 64,
    'rope.dimension_sections': integers([11, 11, 10, 0]),
    'ssm.conv_kernel': DELTA_TAPS,
    'ssm.inner_size': DELTA_HEADS * DELTA_DIM,
    'ssm.state_size': DELTA_DIM,
    'ssm.time_step_rank': DELTA_HEADS,
    'ssm.group_count': DELTA_HEADS,
    full_attention_interval: 4,
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
  keys: { 'attention.sliding_window': 512 },
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
  keys: {
    'attention.head_count_kv': integers(
      Array.from({ length: LFM2_LAYERS }, (_, layer) => (isAttention(layer) ? 8 : 0)),
    ),
    'shortconv.l_cache': LFM2_TAPS,
  },
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

/** Letters first, or behind what a vocabulary of SentencePiece begins with, then names. */
function tokenizerOf({ tokenizer, pre, vocabulary: V }: Shape): Metadata {
  const byte = (b: number) => `<0x${b.toString(16).padStart(2, '0').toUpperCase()}>`;
  const special = ['<pad>', '<eos>', '<bos>', '<unk>'];
  const pieces = tokenizer === 'llama';
  const first = pieces ? [...special, ...Array.from({ length: 256 }, (_, b) => byte(b))] : [];
  const letters = Array.from({ length: 26 }, (_, i) => String.fromCharCode(97 + i));
  const begin = [...first, ...letters, 'th'];
  const names = Array.from({ length: V - begin.length }, (_, i) => `<t${i + begin.length}>`);
  const kind = (i: number) => (i === 3 ? 2 : i < 4 ? 3 : i < 260 ? 6 : 1);
  const kinds = Array.from({ length: V }, (_, i) => (pieces ? kind(i) : i === V - 1 ? 3 : 1));
  return {
    'tokenizer.ggml.model': tokenizer,
    'tokenizer.ggml.pre': pre,
    'tokenizer.ggml.tokens': [...begin, ...names],
    'tokenizer.ggml.token_type': integers(kinds),
    'tokenizer.ggml.add_bos_token': false,
    'tokenizer.ggml.eos_token_id': pieces ? 1 : V - 1,
    ...(pieces
      ? {
          'tokenizer.ggml.scores': Array.from({ length: V }, (_, i) => -i),
          'tokenizer.ggml.add_space_prefix': false,
          'tokenizer.ggml.bos_token_id': 2,
          'tokenizer.ggml.unknown_token_id': 3,
        }
      : { 'tokenizer.ggml.merges': ['t h'] }),
  };
}

function metadataOf(shape: Shape): Metadata {
  const own: Metadata = {
    context_length: shape.contextLength,
    embedding_length: shape.width,
    block_count: shape.layers,
    feed_forward_length: shape.feedForward,
    'attention.head_count': shape.heads,
    'attention.head_count_kv': shape.kvHeads,
    'attention.key_length': shape.headDim,
    'attention.value_length': shape.headDim,
    'attention.layer_norm_rms_epsilon': { f32: shape.eps },
    'rope.freq_base': { f32: shape.ropeBase },
    ...shape.keys,
  };
  const keys = Object.entries(own).map(([key, value]) => [`${shape.architecture}.${key}`, value]);
  return {
    'general.architecture': shape.architecture,
    'general.name': `random weights, ${shape.name}'s shape`,
    'general.file_type': 15,
    ...(Object.fromEntries(keys) as Metadata),
    ...tokenizerOf(shape),
  };
}

function tensorsOf(shape: Shape): TensorSpec[] {
  const { width: D, feedForward: F, vocabulary: V } = shape;
  const random = createRandom(1);
  let seed = 1;
  const quantised = (name: string, rows: number, columns: number, kind = 'q4_k') => {
    const type = typeFor(kind, columns, kind === 'q4_k' ? 'q5_0' : 'q8_0');
    const data = randomBlocks(type, rows, columns, seed++);
    return { name, shape: [columns, rows], type: type.ggml, data };
  };
  const floats = (name: string, dims: readonly number[], value: () => number) => {
    const count = dims.reduce((a, b) => a * b, 1);
    const data = new Uint8Array(Float32Array.from({ length: count }, value).buffer);
    return { name, shape: dims, type: 0, data };
  };
  const of = (layer: number): LayerTensors => ({
    matrix: (name, rows, columns) => quantised(`blk.${layer}.${name}`, rows, columns),
    vector: (name, count, [least, most] = [1, 1]) =>
      floats(`blk.${layer}.${name}`, [count], () => least + random() * (most - least)),
    taps: (name, channels, taps) =>
      floats(`blk.${layer}.${name}`, [taps, channels], () => random() - 0.5),
  });
  const layers = Array.from({ length: shape.layers }, (_, i) => [
    ...shape.layer(of(i), i, shape),
    of(i).matrix('ffn_gate.weight', F, D),
    of(i).matrix('ffn_up.weight', F, D),
    of(i).matrix('ffn_down.weight', D, F),
  ]);
  return [
    quantised('token_embd.weight', V, D, 'q6_k'),
    floats(`${shape.outputNorm ?? 'output_norm'}.weight`, [D], () => 1),
    ...layers.flat(),
  ];
}

/** A shape's file, in the folder for what can be made again; written where it isn't there yet. */
export function shapeModel(shape: Shape): string {
  const folder = `${tmpdir()}/recollect-bench`;
  const path = `${folder}/${shape.name}-q4_k.gguf`;
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true });
    const bytes = writeGguf({ metadata: metadataOf(shape), tensors: tensorsOf(shape) });
    // whole, or not at all
    writeFileSync(`${path}.part`, bytes);
    renameSync(`${path}.part`, path);
  }
  return path;
}
