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

/** What a random model is made of; matrices are all of one type. */
interface RandomShape {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly feedForward: number;
  readonly vocabulary: number;
}

/** SmolLM2-135M's. */
export const SHAPE: RandomShape = {
  layers: 30,
  width: 576,
  heads: 9,
  kvHeads: 3,
  headDim: 64,
  feedForward: 1536,
  vocabulary: 49152,
};

/** Qwen3-0.6B's. */
export const QWEN3_SHAPE: RandomShape = {
  layers: 28,
  width: 1024,
  heads: 16,
  kvHeads: 8,
  headDim: 128,
  feedForward: 3072,
  vocabulary: 151936,
};

/** A stored type: small random numbers of it. */
interface RandomType {
  readonly ggml: number;
  matrix(random: () => number, rows: number, columns: number): Uint8Array;
}

/** Blocks of random bytes behind scales. */
function blocks(
  random: () => number,
  count: number,
  blockBytes: number,
  scales: readonly number[],
): Uint8Array {
  const bytes = new Uint8Array(count * blockBytes);
  const view = new DataView(bytes.buffer);
  const halves = scales.map(floatToHalf);
  for (let at = 0; at < bytes.length; at += blockBytes) {
    for (const [i, half] of halves.entries()) view.setUint16(at + 2 * i, half, true);
    for (let i = 2 * halves.length; i < blockBytes; i += 4)
      view.setUint32(at + i, (random() * 2 ** 32) >>> 0, true);
  }
  return bytes;
}

const q8_0: RandomType = {
  ggml: 8,
  matrix: (random, rows, columns) =>
    blocks(random, (rows * columns) / 32, 34, [1 / (40 * Math.sqrt(columns))]),
};

/** A block: d, dmin, 12 bytes of 6-bit scales, 128 of codes. */
const q4_k: RandomType = {
  ggml: 12,
  matrix: (random, rows, columns) => {
    const d = 1 / (150 * Math.sqrt(columns)); // a part's scale is 31 d on average
    return blocks(random, (rows * columns) / 256, 144, [d, 7.5 * d]);
  },
};

/** A vocabulary: letters first, so that a text of n letters is n tokens in every engine. */
const lettersOf = (count: number): string[] =>
  Array.from({ length: count }, (_, i) =>
    i < 26 ? String.fromCharCode(97 + i) : i === 26 ? 'th' : `<t${i}>`,
  );

/**
 * The same with as many merges as tokens, as models have them: each joins two tokens before, of
 * capitals and figures alone.
 */
function mergedOf(count: number, random: () => number): { tokens: string[]; merges: string[] } {
  const letters = Array.from({ length: 26 }, (_, i) => String.fromCharCode(97 + i));
  const tokens = [...letters, ...letters.map((c) => c.toUpperCase()), ...'0123456789'];
  const joinable = tokens.slice(26);
  const known = new Set(tokens);
  const merges: string[] = [];
  while (tokens.length < count) {
    const [a, b] = [0, 1].map(() => joinable[Math.floor(random() * joinable.length)]);
    if (a.length + b.length > 14 || known.has(a + b)) continue;
    known.add(a + b);
    tokens.push(a + b);
    joinable.push(a + b);
    merges.push(`${a} ${b}`);
  }
  return { tokens, merges };
}

interface RandomModel extends RandomShape {
  readonly architecture: 'llama' | 'qwen3';
  readonly type: RandomType;
}

function tensorsOf(model: RandomModel, random: () => number): TensorSpec[] {
  const { width: D, heads, kvHeads, headDim: d, feedForward: F, vocabulary: V, type } = model;
  const ones = (n: number): Uint8Array => new Uint8Array(new Float32Array(n).fill(1).buffer);
  const matrix = (name: string, rows: number, columns: number): TensorSpec => ({
    name,
    shape: [columns, rows],
    type: type.ggml,
    data: type.matrix(random, rows, columns),
  });
  const vector = (name: string, n = D): TensorSpec => ({
    name,
    shape: [n],
    type: 0,
    data: ones(n),
  });
  const tensors = [matrix('token_embd.weight', V, D), vector('output_norm.weight')];
  for (let i = 0; i < model.layers; i++) {
    const at = `blk.${i}.`;
    if (model.architecture === 'qwen3')
      tensors.push(vector(`${at}attn_q_norm.weight`, d), vector(`${at}attn_k_norm.weight`, d));
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
  return tensors;
}

function writeRandomModel(
  path: string,
  model: RandomModel,
  vocabulary: { readonly tokens: readonly string[]; readonly merges: readonly string[] },
): void {
  const { architecture: arch, layers, headDim } = model;
  const metadata: Record<string, MetadataValue> = {
    'general.architecture': arch,
    'general.name': `random, ${layers} layers`,
    [`${arch}.context_length`]: 8192,
    [`${arch}.embedding_length`]: model.width,
    [`${arch}.block_count`]: layers,
    [`${arch}.feed_forward_length`]: model.feedForward,
    [`${arch}.attention.head_count`]: model.heads,
    [`${arch}.attention.head_count_kv`]: model.kvHeads,
    [`${arch}.attention.layer_norm_rms_epsilon`]: { f32: 1e-5 },
    [`${arch}.rope.freq_base`]: { f32: 100000 },
    // (without them a head is width / heads long)
    ...(arch === 'qwen3' && {
      [`${arch}.attention.key_length`]: headDim,
      [`${arch}.attention.value_length`]: headDim,
    }),
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'gpt-2',
    'tokenizer.ggml.tokens': vocabulary.tokens,
    'tokenizer.ggml.merges': vocabulary.merges,
    'tokenizer.ggml.eos_token_id': model.vocabulary - 1,
  };
  writeFileSync(path, writeGguf({ metadata, tensors: tensorsOf(model, createRandom(1)) }));
}

/** The path of a file, written where it isn't there yet. */
function written(file: string, write: (path: string) => void): string {
  const folder = fileURLToPath(new URL('../../../bench/models/', import.meta.url));
  const path = `${folder}${file}`;
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true });
    write(path);
  }
  return path;
}

/** The path of a Q8_0 llama of SmolLM2-135M's shape. */
export function randomModel(layers = SHAPE.layers): string {
  const name = `random-135m-letters-q8_0${layers === SHAPE.layers ? '' : `-${layers}`}.gguf`;
  const model = { ...SHAPE, layers, architecture: 'llama', type: q8_0 } as const;
  const vocabulary = { tokens: lettersOf(SHAPE.vocabulary), merges: ['t h'] };
  return written(name, (path) => writeRandomModel(path, model, vocabulary));
}

/** The path of a Q4_K qwen3 of Qwen3-0.6B's shape, with as large a tokenizer: 340 MB. */
export function randomQwen3(): string {
  return written('random-qwen3-0.6b-q4_k.gguf', (path) =>
    writeRandomModel(
      path,
      { ...QWEN3_SHAPE, architecture: 'qwen3', type: q4_k },
      mergedOf(QWEN3_SHAPE.vocabulary, createRandom(2)),
    ),
  );
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
