// Models made at random for benches: speed does not depend on what the weights are.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createRandom } from '../src/math/rng.ts';
import { floatToHalf } from '../src/math/half.ts';
import {
  type MetadataValue,
  randomTensors,
  smallLlama,
  type TensorSpec,
  writeGguf,
} from '../test/gguf-writer.ts';

/** SmolLM2-135M's: 576 wide, 9 and 3 heads of 64, feed-forward 1536, vocabulary 49152. */
export const SHAPE = {
  layers: 30,
  width: 576,
  heads: 9,
  kvHeads: 3,
  headDim: 64,
  feedForward: 1536,
  vocabulary: 49152,
};

/** A Q8_0 matrix of small random numbers. */
function q8(random: () => number, rows: number, columns: number): Uint8Array {
  const blocks = (rows * columns) / 32;
  const bytes = new Uint8Array(blocks * 34);
  const view = new DataView(bytes.buffer);
  const scale = floatToHalf(1 / (40 * Math.sqrt(columns)));
  for (let b = 0; b < blocks; b++) {
    view.setUint16(34 * b, scale, true);
    for (let i = 2; i < 34; i += 4) view.setUint32(34 * b + i, (random() * 2 ** 32) >>> 0, true);
  }
  return bytes;
}

/** A vocabulary: letters first, so that a text of n letters is n tokens in every engine. */
const lettersOf = (count: number): string[] =>
  Array.from({ length: count }, (_, i) =>
    i < 26 ? String.fromCharCode(97 + i) : i === 26 ? 'th' : `<t${i}>`,
  );

function writeRandomModel(path: string, layers: number): void {
  const { width: D, heads, kvHeads, headDim: d, feedForward: F, vocabulary: V } = SHAPE;
  const random = createRandom(1);
  const ones = (n: number): Uint8Array => new Uint8Array(new Float32Array(n).fill(1).buffer);
  const matrix = (name: string, rows: number, columns: number): TensorSpec => ({
    name,
    shape: [columns, rows],
    type: 8,
    data: q8(random, rows, columns),
  });
  const vector = (name: string): TensorSpec => ({ name, shape: [D], type: 0, data: ones(D) });
  const tensors = [matrix('token_embd.weight', V, D), vector('output_norm.weight')];
  for (let i = 0; i < layers; i++) {
    const at = `blk.${i}.`;
    tensors.push(
      vector(`${at}attn_norm.weight`),
      vector(`${at}ffn_norm.weight`),
      matrix(`${at}attn_q.weight`, heads * d, D),
      matrix(`${at}attn_k.weight`, kvHeads * d, D),
      matrix(`${at}attn_v.weight`, kvHeads * d, D),
      matrix(`${at}attn_output.weight`, D, heads * d),
      matrix(`${at}ffn_gate.weight`, F, D),
      matrix(`${at}ffn_up.weight`, F, D),
      matrix(`${at}ffn_down.weight`, D, F),
    );
  }
  const metadata: Record<string, MetadataValue> = {
    'general.architecture': 'llama',
    'general.name': `random, ${layers} layers`,
    'llama.context_length': 8192,
    'llama.embedding_length': D,
    'llama.block_count': layers,
    'llama.feed_forward_length': F,
    'llama.attention.head_count': heads,
    'llama.attention.head_count_kv': kvHeads,
    'llama.attention.layer_norm_rms_epsilon': { f32: 1e-5 },
    'llama.rope.freq_base': { f32: 100000 },
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'gpt-2',
    'tokenizer.ggml.tokens': lettersOf(V),
    'tokenizer.ggml.merges': ['t h'],
    'tokenizer.ggml.eos_token_id': V - 1,
  };
  writeFileSync(path, writeGguf({ metadata, tensors }));
}

/** The path of a Q8_0 llama of that shape, written where it isn't there yet. */
export function randomModel(layers = SHAPE.layers): string {
  const folder = fileURLToPath(new URL('../../../bench/models/', import.meta.url));
  const path = `${folder}random-135m-letters-q8_0${layers === SHAPE.layers ? '' : `-${layers}`}.gguf`;
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true });
    writeRandomModel(path, layers);
  }
  return path;
}

/** An f32 llama of a small shape, as bytes. */
export function smallRandomModel(shape: {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly feedForward: number;
  readonly vocabulary: number;
}): Uint8Array<ArrayBuffer> {
  const { layers, width: D, heads, feedForward: F, vocabulary: V } = shape;
  const tensor = randomTensors(1);
  const ones = (name: string): TensorSpec => ({
    name,
    shape: [D],
    type: 0,
    data: new Uint8Array(new Float32Array(D).fill(1).buffer),
  });
  const tensors = [tensor('token_embd.weight', D, V), ones('output_norm.weight')];
  for (let i = 0; i < layers; i++) {
    const at = `blk.${i}.`;
    tensors.push(ones(`${at}attn_norm.weight`), ones(`${at}ffn_norm.weight`));
    for (const name of ['q', 'k', 'v', 'output'])
      tensors.push(tensor(`${at}attn_${name}.weight`, D, D));
    for (const name of ['gate', 'up']) tensors.push(tensor(`${at}ffn_${name}.weight`, D, F));
    tensors.push(tensor(`${at}ffn_down.weight`, F, D));
  }
  const metadata: Record<string, MetadataValue> = {
    ...smallLlama().metadata,
    'llama.context_length': 1024,
    'llama.embedding_length': D,
    'llama.block_count': layers,
    'llama.feed_forward_length': F,
    'llama.attention.head_count': heads,
    'llama.attention.head_count_kv': heads,
    'tokenizer.ggml.tokens': lettersOf(V),
    'tokenizer.ggml.merges': ['t h'],
    'tokenizer.ggml.eos_token_id': V - 1,
  };
  return writeGguf({ metadata, tensors });
}
