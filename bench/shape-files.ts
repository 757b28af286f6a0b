// Files of shapes (shape-models.ts), as random weights that every engine loads. Types are those that
// llama.cpp's quantiser gives for Q4_K: embeddings, which are the output too, in Q6_K; where rows
// are no multiple of 256, Q5_0 and Q8_0. Tokens are letters, and names that no text has.
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { createRandom } from '../src/math/rng.ts';
import { type TensorSpec, writeGguf } from '../test/gguf-writer.ts';
import { integers } from './metadata-integers.ts';
import { randomBlocks, typeFor } from './random-blocks.ts';
import type { LayerTensors, Metadata, Shape } from './shape-models.ts';

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
    ...shape.keys(shape),
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
